/** What the controller does before it does anything: options and addresses that cannot be used. */
import t from 'tap';
import { startController } from '../../src/controller/start.js';
import { startProbeServer } from '../../src/server/probes.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { json, list, rawApi } from '../kube/raw-api.js';

t.test('a port that is taken is told at once, and nothing is left open', async (t) => {
  const api = await rawApi(t, (_request, response) => json(response, 200, list(1, [])));
  const common = { metrics: new Metrics(), notReady: () => undefined };
  const other = await startProbeServer({ host: '127.0.0.1', port: 0 }, common);
  t.teardown(() => other.stop());
  const options = { client: api.client, logger: silentLogger, metrics: new Metrics(), address: other.address };
  await t.rejects(startController(options, new AbortController().signal), { code: 'port-in-use', message: /--listen/ });
  await startController({ ...options, leaderElection: true }, new AbortController().signal).catch(() => undefined);
  // Whatever had been started would have asked the API server before this request is answered.
  await api.client.request('GET', '/last');
  t.strictSame(api.seen, ['GET /prefix/last']);
});

t.test('a number of workers that would never work is refused', async (t) => {
  const api = await rawApi(t, (_request, response) => json(response, 200, list(1, [])));
  for (const workers of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    const options = { client: api.client, logger: silentLogger, metrics: new Metrics(), workers };
    await t.rejects(
      startController(options, new AbortController().signal),
      { code: 'bad-workers', message: /1 or more/ },
      String(workers),
    );
  }
  t.strictSame(api.seen, []);
});
