/** A router that cannot start leaves nothing open behind it, whatever it had opened before. */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { type RouterOptions, startRouter } from '../../router/start.js';
import type { Pod } from '../../src/api/kube.js';
import type { ModelRoute, ModelServer } from '../../src/api/types.js';
import type { RawObject } from '../../src/kube/client.js';
import { ObjectMap } from '../../src/kube/object-map.js';
import type { Change } from '../../src/kube/store.js';
import type { Address } from '../../src/server/listen.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { authority, filesOf } from './certificates.js';

/** A store that knows how many listen to it. */
class Counted<T extends RawObject> extends ObjectMap<T> {
  listeners = 0;
  override subscribe(listener: (change: Change<T>) => void): () => void {
    const stop = super.subscribe(listener);
    this.listeners += 1;
    return () => {
      this.listeners -= 1;
      stop();
    };
  }
}

/** Folders that this process watches. */
function watched(): number {
  const infos = readdirSync('/proc/self/fdinfo').map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    } catch {
      return ''; // the descriptor of the listing itself
    }
  });
  return infos.join('').split('inotify wd').length - 1;
}

async function takenPort(t: Test): Promise<Address> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

const free: Address = { host: '127.0.0.1', port: 0 };

t.test('a start that fails', async (t) => {
  const { issue } = await authority();
  const { cert, key } = await issue('127.0.0.1');
  const files = await filesOf(t, { cert, key, text: 'no certificate' });
  const taken = await takenPort(t);
  const cases: Record<string, Partial<RouterOptions>> = {
    'because its port is taken': { listen: taken },
    'because the port of its probes is taken': { metricsListen: taken },
    'because its certificate cannot be used': { tls: { cert: files.text, key: files.key } },
  };
  for (const [why, more] of Object.entries(cases)) {
    await t.test(`${why} leaves nothing open`, async (t) => {
      const map = { logger: silentLogger };
      const pods = new Counted<Pod>(map);
      const modelServers = new Counted<ModelServer>(map);
      const modelRoutes = new Counted<ModelRoute>(map);
      const options: RouterOptions = {
        pods,
        modelServers,
        modelRoutes,
        listen: free,
        logger: silentLogger,
        metrics: new Metrics(),
        tls: files,
        ...more,
      };
      await t.rejects(startRouter(options, new AbortController().signal));
      t.same([pods.listeners, modelServers.listeners, modelRoutes.listeners], [0, 0, 0]);
      t.equal(watched(), 0);
    });
  }
});
