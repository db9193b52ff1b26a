import t from 'tap';
import { createEventRecorder } from '../../src/kube/event-recorder.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { json, rawApi, status } from './raw-api.js';

t.test('Events', async (t) => {
  const writes: { method: string; body: Record<string, unknown> }[] = [];
  const { client, answer } = await rawApi(t, (request, response) => {
    writes.push({ method: request.method ?? '', body: JSON.parse(request.body) });
    json(response, 201, {});
  });
  let now = 1_000_000;
  const recorder = createEventRecorder({ client, component: 'c', logger: silentLogger, clock: { now: () => now } });
  const about = { apiVersion: 'v1', kind: 'Pod', namespace: 'n', name: 'p', uid: 'u' };
  const refused = { type: 'Warning', reason: 'FailedCreate', message: 'no' } as const;
  for (let n = 0; n < 5; n++) recorder.record(about, refused);
  await recorder.flush();
  t.equal(writes.length, 1, 'equal ones close together are one write');
  t.match(writes[0]?.body, {
    involvedObject: about,
    type: 'Warning',
    reason: 'FailedCreate',
    count: 1,
    source: { component: 'c' },
  });
  now += 6_000;
  recorder.record(about, refused);
  recorder.record(about, { ...refused, message: 'x'.repeat(3000) });
  await recorder.flush();
  t.match(writes[1], { method: 'PATCH', body: { count: 6 } }, 'a later one raises the count');
  t.equal(String(writes[2]?.body['message']).length, 1024);
  answer((_request, response) => json(response, 403, status(403, 'Forbidden', 'no')));
  recorder.record(about, { ...refused, message: 'other' });
  await recorder.flush();
  t.pass('an Event that cannot be written is no failure');
});
