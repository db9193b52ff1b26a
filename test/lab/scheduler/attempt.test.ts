/** One scheduling attempt of the lab's scheduler, against what a real kube-scheduler was recorded to say and do. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import t, { type Test } from 'tap';
import type { Node, Pod } from '../../../src/api/kube.js';
import { nothing } from '../../../src/core/placement/resources.js';
import { clusterOf } from '../../../src/core/placement/summary.js';
import { attempt, type Outcome } from '../../../src/lab/scheduler/attempt.js';
import { connectExtenders } from '../../../src/lab/scheduler/extender-client.js';
import type { Taken } from '../../../src/lab/scheduler/filters.js';
import type { ExtenderEntry } from '../../../src/lab/scheduler/options.js';
import { SchedulingQueue } from '../../../src/lab/scheduler/queue.js';
import { silentLogger } from '../../../src/telemetry/log.js';
import { aNode, fabric, plainPod } from '../../build/cluster.js';

interface Call {
  readonly path: string;
  readonly body: { Pod: Pod; Nodes: { items: Node[] } | null; NodeNames: string[] | null };
}

type Reply = (call: Call) => { readonly status?: number; readonly body: string } | undefined;

/** An extender that answers as it is told and remembers what it was asked; no reply means silence. */
async function extender(t: Test, reply: Reply): Promise<{ calls: Call[]; url: string }> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => {
      const call = { path: request.url ?? '', body: JSON.parse(text) as Call['body'] };
      calls.push(call);
      const answer = reply(call);
      if (answer !== undefined) response.writeHead(answer.status ?? 200).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return { calls, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/` };
}

const scores =
  (best: string): Reply =>
  ({ body }) => ({
    body: JSON.stringify((body.NodeNames ?? []).map((Host) => ({ Host, Score: Host === best ? 10 : 0 }))),
  });

async function decide(
  t: Test,
  given: {
    readonly nodes: readonly Node[];
    readonly pods?: readonly Pod[];
    readonly pod: Pod;
    readonly entries?: readonly (Partial<ExtenderEntry> & { urlPrefix: string })[];
    readonly taken?: Readonly<Record<string, Partial<Taken>>>;
  },
): Promise<Outcome> {
  const usual = { weight: 20, nodeCacheCapable: true, ignorable: true, httpTimeout: 300, prioritizeVerb: 'prioritize' };
  const extenders = connectExtenders((given.entries ?? []).map((entry) => ({ ...usual, ...entry })));
  t.teardown(() => Promise.all(extenders.map((e) => e.close())));
  return attempt({
    pod: given.pod,
    nodes: [...clusterOf(given.nodes, given.pods ?? []).nodes.values()],
    takenOn: (node) => ({ nominated: nothing, ports: new Set(), ...given.taken?.[node] }),
    extenders,
    random: () => 0,
    logger: silentLogger,
  });
}

t.test('a pod that fits nowhere is told why, in the words of kube-scheduler', async (t) => {
  const tainted = { ...aNode('tainted'), spec: { taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' }] } };
  const cordoned = { ...aNode('cordoned'), spec: { unschedulable: true } };
  const nodes = [...fabric(1, 2), tainted, cordoned, aNode('small', {}, 2)];
  const pods = [plainPod('a', { node: 'r1-n0', devices: 6 })];
  const spec = { nodeSelector: { 'topology.tandem.dev/leaf': 'r1' } };
  t.strictSame(await decide(t, { nodes, pods, pod: plainPod('p', { devices: 9, spec }) }), {
    is: 'unschedulable',
    message:
      "0/5 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 2 Insufficient nvidia.com/gpu.",
  });
  t.match(await decide(t, { nodes: [], pod: plainPod('p') }), { message: 'no nodes available to schedule pods' });
  const crowded = { ...aNode('n'), status: { allocatable: { pods: '0', cpu: '1' } } };
  t.match(await decide(t, { nodes: [crowded], pod: plainPod('p') }), {
    message: '0/1 nodes are available: 1 Too many pods.',
  });
  const ports = { hostNetwork: true, containers: [{ name: 'c', ports: [{ containerPort: 8000 }] }] };
  t.match(
    await decide(t, {
      nodes: [aNode('n')],
      pod: plainPod('p', { spec: ports }),
      taken: { n: { ports: new Set(['TCP/8000']) } },
    }),
    {
      message: "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
    },
  );
});

t.test('tolerations, selectors and affinity', async (t) => {
  const gpu = {
    ...aNode('gpu', { kind: 'gpu', size: '8' }),
    spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] },
  };
  const nodes = [gpu, aNode('cpu', { kind: 'cpu' })];
  const on = async (spec: object) => {
    const outcome = await decide(t, { nodes, pod: plainPod('p', { spec }) });
    return outcome.is === 'chosen' ? outcome.node : outcome.is;
  };
  const required = (...terms: object[]) => ({
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
  });
  const all = [{ operator: 'Exists' }];
  const table: readonly [string, object, string][] = [
    ['an untolerated taint', {}, 'cpu'],
    ['a toleration that equals', { tolerations: [{ key: 'gpu', value: 'yes' }], nodeSelector: { kind: 'gpu' } }, 'gpu'],
    [
      'a toleration of another value',
      { tolerations: [{ key: 'gpu', value: 'no' }], nodeSelector: { kind: 'gpu' } },
      'unschedulable',
    ],
    ['a toleration of everything', { tolerations: all, nodeSelector: { kind: 'gpu' } }, 'gpu'],
    [
      'In',
      {
        tolerations: all,
        affinity: required({ matchExpressions: [{ key: 'kind', operator: 'In', values: ['gpu'] }] }),
      },
      'gpu',
    ],
    [
      'NotIn',
      {
        tolerations: all,
        affinity: required({ matchExpressions: [{ key: 'kind', operator: 'NotIn', values: ['gpu'] }] }),
      },
      'cpu',
    ],
    [
      'Gt',
      { tolerations: all, affinity: required({ matchExpressions: [{ key: 'size', operator: 'Gt', values: ['4'] }] }) },
      'gpu',
    ],
    [
      'DoesNotExist',
      { tolerations: all, affinity: required({ matchExpressions: [{ key: 'size', operator: 'DoesNotExist' }] }) },
      'cpu',
    ],
    [
      'a field',
      { affinity: required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['cpu'] }] }) },
      'cpu',
    ],
    [
      'terms are alternatives',
      {
        affinity: required(
          { matchExpressions: [{ key: 'none', operator: 'Exists' }] },
          { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['cpu'] }] },
        ),
      },
      'cpu',
    ],
    ['an empty term matches nothing', { affinity: required({}) }, 'unschedulable'],
    [
      'a preference',
      {
        tolerations: all,
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, preference: { matchExpressions: [{ key: 'kind', operator: 'In', values: ['cpu'] }] } },
            ],
          },
        },
      },
      'cpu',
    ],
  ];
  for (const [title, spec, node] of table) t.equal(await on(spec), node, title);
});

t.test('the extender is called exactly as kube-scheduler calls it', async (t) => {
  const nodes = fabric(2, 2);
  const pod = {
    ...plainPod('p', { devices: 1 }),
    metadata: { ...plainPod('p').metadata, managedFields: [{ manager: 'm' }] },
  };
  t.test('names only: the recorded members, in their order and casing', async (t) => {
    const { calls, url } = await extender(t, scores('r2-n1'));
    t.strictSame(await decide(t, { nodes, pod, entries: [{ urlPrefix: url }] }), { is: 'chosen', node: 'r2-n1' });
    const recorded = JSON.parse(
      await readFile(new URL('../../../../test/fixtures/extender/extender-prioritize.json', import.meta.url), 'utf8'),
    ) as Call['body'];
    t.equal(calls[0]?.path, '/prioritize', 'one slash between prefix and verb');
    t.strictSame(Object.keys(calls[0]?.body ?? {}), Object.keys(recorded));
    t.strictSame(calls[0]?.body.Nodes, null);
    t.strictSame(
      calls[0]?.body.NodeNames,
      nodes.map(({ metadata }) => metadata.name),
    );
    t.strictSame(Object.keys(calls[0]?.body.Pod ?? {}), Object.keys(recorded.Pod), 'neither kind nor apiVersion');
    t.notOk('managedFields' in (calls[0]?.body.Pod.metadata ?? {}));
  });
  t.test('whole nodes with nodeCacheCapable: false', async (t) => {
    const { calls, url } = await extender(t, () => ({ body: '[]' }));
    await decide(t, { nodes, pod, entries: [{ urlPrefix: url, nodeCacheCapable: false }] });
    t.equal(calls[0]?.body.NodeNames, null);
    t.equal(calls[0]?.body.Nodes?.items.length, 4);
  });
  t.test('filter before prioritize, survivors only', async (t) => {
    const { calls, url } = await extender(t, (call) =>
      call.path === '/filter'
        ? { body: JSON.stringify({ NodeNames: ['r1-n0', 'r1-n1'], FailedNodes: { 'r2-n0': 'no', 'r2-n1': 'no' } }) }
        : scores('r1-n1')(call),
    );
    const outcome = await decide(t, { nodes, pod, entries: [{ urlPrefix: url, filterVerb: 'filter' }] });
    t.strictSame(outcome, { is: 'chosen', node: 'r1-n1' });
    t.strictSame(
      calls.map(({ path }) => path),
      ['/filter', '/prioritize'],
    );
    t.strictSame(calls[1]?.body.NodeNames, ['r1-n0', 'r1-n1']);
  });
  t.test(
    'nobody is asked for scores when one node is left, nor for a pod that does not ask for a managed resource',
    async (t) => {
      const { calls, url } = await extender(t, scores('r1-n0'));
      await decide(t, { nodes: nodes.slice(0, 1), pod, entries: [{ urlPrefix: url }] });
      await decide(t, {
        nodes,
        pod: plainPod('q'),
        entries: [{ urlPrefix: url, managedResources: ['nvidia.com/gpu'] }],
      });
      t.strictSame(calls, []);
    },
  );
  t.test('a nominated node is tried alone, with the filter and without scores', async (t) => {
    const { calls, url } = await extender(t, ({ body }) => ({ body: JSON.stringify({ NodeNames: body.NodeNames }) }));
    const nominated = plainPod('p', { devices: 1, nominated: 'r2-n0' });
    const entries = [{ urlPrefix: url, filterVerb: 'filter' }];
    t.strictSame(await decide(t, { nodes, pod: nominated, entries }), { is: 'chosen', node: 'r2-n0' });
    t.strictSame(
      calls.map(({ path, body }) => [path, body.NodeNames]),
      [['/filter', ['r2-n0']]],
    );
    const full = [plainPod('f', { node: 'r2-n0', devices: 8 })];
    t.match(
      await decide(t, { nodes, pods: full, pod: nominated }),
      { is: 'chosen', node: /r1-n0/ },
      'or left when it is full',
    );
  });
  t.test('the room of a nominated pod counts as taken', async (t) => {
    const taken = { 'r1-n0': { nominated: new Map([['nvidia.com/gpu', 8]]) } };
    t.strictSame(await decide(t, { nodes: nodes.slice(0, 2), pod, taken }), { is: 'chosen', node: 'r1-n1' });
  });
});

t.test('faults of an extender', async (t) => {
  const nodes = fabric(1, 2);
  const pod = plainPod('p', { devices: 1 });
  const faults: readonly [string, Reply][] = [
    ['status 500', () => ({ status: 500, body: '[]' })],
    ['status 201', () => ({ status: 201, body: '[{"Host":"r1-n1","Score":10}]' })],
    ['truncated JSON', () => ({ body: '[{"Ho' })],
    ['one fraction', () => ({ body: '[{"Host":"r1-n1","Score":9.5}]' })],
    ['an object', () => ({ body: '{}' })],
    ['silence', () => undefined],
  ];
  for (const [name, reply] of faults) {
    const { url } = await extender(t, reply);
    t.match(
      await decide(t, { nodes, pod, entries: [{ urlPrefix: url, ignorable: false }] }),
      { is: 'chosen', node: 'r1-n0' },
      `prioritize: ${name} only loses the scores`,
    );
    const filter = { urlPrefix: url, filterVerb: 'filter' };
    if (name === 'an object') continue; // valid for filter, below
    t.match(
      await decide(t, { nodes, pod, entries: [{ ...filter, ignorable: true }] }),
      { is: 'chosen' },
      `filter: ${name} is skipped when ignorable`,
    );
    t.match(
      await decide(t, { nodes, pod, entries: [{ ...filter, ignorable: false }] }),
      { is: 'failed', message: /ignorable: true/ },
      `filter: ${name} fails the attempt otherwise`,
    );
  }
  const empty = await extender(t, () => ({ body: '{}' }));
  t.match(
    await decide(t, { nodes, pod, entries: [{ urlPrefix: empty.url, filterVerb: 'filter' }] }),
    { is: 'unschedulable' },
    'filter: {} leaves no node, also when ignorable',
  );
  const stranger = await extender(t, () => ({ body: '{"NodeNames":["elsewhere"]}' }));
  t.match(
    await decide(t, { nodes, pod, entries: [{ urlPrefix: stranger.url, filterVerb: 'filter', ignorable: false }] }),
    { is: 'failed', message: /elsewhere/ },
  );
});

t.test('the queue', async (t) => {
  let now = 1_000_000;
  const queue = new SchedulingQueue({ now: () => now });
  const pod = (name: string, priority: number, at = '2026-11-21T10:00:00Z') => {
    const base = plainPod(name, { spec: { priority } });
    return { ...base, metadata: { ...base.metadata, creationTimestamp: at } };
  };
  const [low, high, late] = [pod('low', 0), pod('high', 5), pod('late', 5, '2026-11-21T11:00:00Z')];
  for (const each of [low, late, high]) queue.put(each);
  const order: (string | undefined)[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) {
    order.push(next.metadata.name);
    queue.remove(next);
  }
  t.strictSame(order, ['high', 'late', 'low'], 'highest priority first, then the oldest');
  queue.put(low);
  queue.park(low, 'change');
  queue.put({ ...low, status: { phase: 'Pending', conditions: [] } });
  now += 60_000;
  t.equal(queue.next(), undefined, 'a pod that did not fit waits for a change, and its own status is none');
  queue.wake();
  t.equal(queue.next()?.metadata.name, 'low');
  queue.park(low, 'backoff');
  t.equal(queue.delay(), 2000, 'the second backoff is twice the first');
  t.equal(queue.next(), undefined);
  now += 2000;
  t.equal(queue.next()?.metadata.name, 'low');
});
