/** Requests that no scheduler sends. */
import { connect } from 'node:net';
import t from 'tap';
import { groupPod } from '../build/cluster.js';
import { bench } from './bench.js';

t.test('misuse', async (t) => {
  const { post, get, address, metric } = await bench(t, { nodes: [], pods: [] });
  const pod = { metadata: { name: 'p' }, spec: { containers: [] } };
  const table: readonly [string, string, unknown, number, string][] = [
    ['broken JSON', '/prioritize', '{"Pod":', 400, 'malformed-body'],
    ['nothing', '/prioritize', '', 400, 'wrong-shape'],
    ['null', '/prioritize', 'null', 400, 'wrong-shape'],
    ['a list', '/prioritize', '[]', 400, 'wrong-shape'],
    ['no pod', '/prioritize', { NodeNames: ['a'] }, 400, 'wrong-shape'],
    ['a pod without spec', '/prioritize', { Pod: { metadata: { name: 'p' } }, NodeNames: [] }, 400, 'wrong-shape'],
    ['names that are numbers', '/filter', { Pod: pod, NodeNames: [1] }, 400, 'wrong-shape'],
    ['nodes that are no objects', '/filter', { Pod: pod, Nodes: { items: ['a'] } }, 400, 'wrong-shape'],
    ['a task without pod', '/volcano/prioritize', { task: {}, nodes: [] }, 400, 'wrong-shape'],
    ['20 MB', '/prioritize', { Pod: pod, NodeNames: ['x'.repeat(20 * 1024 * 1024)] }, 413, 'body-too-large'],
    ['an unknown path', '/preempt', {}, 404, 'unknown-path'],
  ];
  for (const [title, path, body, status, code] of table) {
    const answer = await post(path, body);
    t.match(answer, { status, json: { code, message: /; / } }, title);
    t.notMatch(answer.text, / at |node_modules|\.js:/, `${title}: no stack trace`);
  }
  t.match(await get('/prioritize'), { status: 405, json: { code: 'wrong-method' } });
  t.match(await post('/prioritize', { Pod: pod, Nodes: { items: null }, NodeNames: null }), { status: 200, json: [] });
  const odd = {
    ...pod,
    metadata: { name: 'p', labels: { 'modelserving.volcano.sh/name': 'x' } },
    spec: { containers: [{ name: 'c', resources: { limits: { cpu: 'many' } } }] },
  };
  t.equal(
    (await post('/prioritize', { Pod: odd, NodeNames: ['a'] })).status,
    200,
    'an unreadable quantity counts as none',
  );
  const broken = {
    Pod: { metadata: { name: 'p', labels: groupPod('prefill').metadata.labels }, spec: { containers: [null] } },
  };
  t.match(await post('/prioritize', { ...broken, NodeNames: ['a'] }), { status: 200, json: [{ Host: 'a', Score: 0 }] });
  t.ok(
    await metric(/tandem_extender_neutral_total\{verb="prioritize",why="failed"\} 1/),
    'a pod that breaks us gets a neutral answer',
  );
  await t.resolves(headerBomb(address), 'a header bomb is refused and its connection ended');
  t.equal((await get('/healthz')).status, 200, 'and the server lives');
  t.ok(await metric(/tandem_extender_refused_requests_total\{code="wrong-shape"\} 8/));
});

function headerBomb({ host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () =>
      socket.write(`POST /prioritize HTTP/1.1\r\nhost: x\r\nbomb: ${'x'.repeat(100_000)}\r\n\r\n`),
    );
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('close', () => (/^HTTP\/1.1 431/.test(text) || text === '' ? resolve() : reject(new Error(text))));
    socket.on('error', () => socket.destroy());
  });
}
