/** The extender's life: before it knows the cluster, between advice and binding, and when it is late or stops. */
import { Agent } from 'node:http';
import t from 'tap';
import { startExtender } from '../../extender/start.js';
import type { Node, Pod } from '../../src/api/kube.js';
import type { ModelServing } from '../../src/api/types.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { fabric, groupPod, memoryStore, plainPod } from '../build/cluster.js';
import { asked, bench, exchange, names, zeros } from './bench.js';

const hard = {
  metadata: { name: 'llm', namespace: 'default', annotations: { 'tandem.dev/placement': 'required: leaf' } },
  spec: { replicas: 1, template: { roles: [] } },
} as unknown as ModelServing;

t.test('the transport is what a Go client needs', async (t) => {
  const nodes = fabric(1, 2);
  const { post, address } = await bench(t, { nodes, pods: [] });
  const { headers, text } = await post('/prioritize', asked(plainPod('p'), names(nodes)));
  t.equal(headers['content-length'], String(Buffer.byteLength(text)));
  t.equal(headers['transfer-encoding'], undefined);
  t.equal(headers['content-type'], 'application/json');
  t.equal(headers['keep-alive'], 'timeout=120', 'longer than the 90 s for which Go keeps an idle connection');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const call = { ...address, method: 'POST', path: '/prioritize', agent };
  await exchange(call, JSON.stringify(asked(plainPod('p'), [])));
  const { text: none } = await exchange(call, JSON.stringify(asked(plainPod('p'), [])));
  t.equal(none, '[]', 'no candidates, no scores');
  t.equal(Object.values(agent.freeSockets).flat().length, 1, 'one connection served both');
});

t.test('until nodes and pods are known', async (t) => {
  const nodes = fabric(2, 2);
  const { post, get, nodes: store, pods, metric } = await bench(t, {});
  const prefill = groupPod('prefill');
  t.equal((await get('/healthz')).status, 200);
  t.match(await get('/readyz'), { status: 503, text: /list of nodes/ });
  t.strictSame((await post('/prioritize', asked(prefill, names(nodes)))).json, zeros(names(nodes)), 'neutral');
  store.replaceAll(nodes);
  t.match(await get('/readyz'), { status: 503, text: /list of pods/ });
  pods.replaceAll([prefill, groupPod('decode', { node: 'r2-n0' })]);
  t.equal((await get('/readyz')).status, 200);
  t.match((await post('/prioritize', asked(prefill, ['r1-n0', 'r2-n1']))).json, [
    { Score: Number },
    { Host: 'r2-n1', Score: 10 },
  ]);
  t.ok(await metric(/tandem_extender_neutral_total\{verb="prioritize",why="not-synced"\} 1/));
});

t.test('between advice and binding', async (t) => {
  const nodes = fabric(2, 2);
  let now = 0;
  const group = [groupPod('prefill'), groupPod('decode')] as const;
  const { post, pods, metric } = await bench(t, { nodes, pods: group, now: () => now });
  const best = async (pod: Pod, offered: readonly string[]) => {
    const { json } = await post('/prioritize', asked(pod, offered));
    const scores = json as { Host: string; Score: number }[];
    const most = Math.max(...scores.map(({ Score }) => Score));
    return scores.filter(({ Score }) => Score === most).map(({ Host }) => Host);
  };
  await best(group[0], ['r2-n0', 'r2-n1', 'r1-n1']);
  t.ok(await metric(/tandem_extender_expected_pods 1/));
  const first = await best(group[1], names(nodes));
  t.strictSame(first, await best(group[1], names(nodes)), 'the same question has the same answer');
  now = 10_000;
  t.ok(await metric(/tandem_extender_expected_pods 0/), 'an expectation does not outlive its time');
  await best(group[0], names(nodes));
  pods.put(groupPod('prefill', { node: 'r2-n0' }));
  t.ok(await metric(/tandem_extender_expected_pods 0/), 'nor the binding');
  t.strictSame(
    await best(group[1], ['r1-n0', 'r1-n1', 'r2-n1']),
    ['r2-n1'],
    'what is bound counts, whatever was advised',
  );
});

t.test('hard mode', async (t) => {
  const nodes = fabric(2, 2);
  const bound = groupPod('prefill', { node: 'r2-n0' });
  const { post, metric } = await bench(t, { nodes, pods: [bound], servings: [hard] });
  t.strictSame((await post('/filter', asked(groupPod('decode'), names(nodes)))).json, {
    Nodes: null,
    NodeNames: ['r2-n0', 'r2-n1'],
    FailedNodes: {},
    FailedAndUnresolvableNodes: {
      'r1-n0': 'tandem: outside the domain of the group',
      'r1-n1': 'tandem: outside the domain of the group',
    },
    Error: '',
  });
  t.match((await post('/filter', asked(plainPod('other'), names(nodes)))).json, {
    NodeNames: names(nodes),
    FailedNodes: {},
  });
  t.ok(await metric(/tandem_extender_rejected_nodes_total\{reason="tandem: outside the domain of the group"\} 2/));
  const full = await bench(t, {
    nodes,
    pods: ['r1-n0', 'r2-n0'].map((node) => plainPod(node, { node, devices: 8 })),
    servings: [
      {
        ...hard,
        spec: {
          replicas: 1,
          template: {
            roles: ['prefill', 'decode'].map((name) => ({ name, entryTemplate: { spec: groupPod(name).spec } })),
          },
        },
      } as unknown as ModelServing,
    ],
  });
  t.match((await full.post('/filter', asked(groupPod('prefill'), ['r1-n1', 'r2-n1']))).json, {
    NodeNames: [],
    FailedNodes: { 'r1-n1': 'tandem: no domain has room for the whole group' },
    FailedAndUnresolvableNodes: {},
  });
});

t.test('a plan that takes too long is given up: neutral, and counted', async (t) => {
  const nodes = fabric(2, 2);
  const pods = [groupPod('prefill'), groupPod('decode')] as const;
  const { post, metric } = await bench(t, { nodes, pods, deadline: -1 });
  t.strictSame((await post('/prioritize', asked(pods[0], names(nodes)))).json, zeros(names(nodes)));
  t.ok(await metric(/tandem_extender_neutral_total\{verb="prioritize",why="late"\} 1/));
});

t.test('a taken port is an error with a fix, and stopping twice is no error', async (t) => {
  const options = { nodes: memoryStore<Node>([]), pods: memoryStore<Pod>([]), logger: silentLogger };
  const end = new AbortController();
  const first = await startExtender(
    { ...options, metrics: new Metrics(), listen: { host: '127.0.0.1', port: 0 } },
    end.signal,
  );
  const listen = { host: '127.0.0.1', port: first.address?.port ?? 0 };
  await t.rejects(startExtender({ ...options, metrics: new Metrics(), listen }, end.signal), { code: 'port-in-use' });
  end.abort();
  await first.stop();
  await first.stop();
  await t.rejects(exchange({ ...listen, method: 'GET', path: '/healthz' }), { code: 'ECONNREFUSED' });
});
