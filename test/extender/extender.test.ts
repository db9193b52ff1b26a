import { readFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { startExtender } from '../../extender/start.js';
import type { Node, Pod } from '../../src/api/kube.js';
import type { ModelServing } from '../../src/api/types.js';
import type { ObjectMap } from '../../src/kube/object-map.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { aNode, fabric, groupPod, memoryStore, plainPod } from '../build/cluster.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly json: unknown;
}

interface Bench {
  readonly nodes: ObjectMap<Node>;
  readonly pods: ObjectMap<Pod>;
  readonly servings: ObjectMap<ModelServing>;
  readonly address: { readonly host: string; readonly port: number };
  post(path: string, body: unknown): Promise<Answer>;
  get(path: string): Promise<Answer>;
  metric(line: RegExp): Promise<boolean>;
}

/** Arrays stand for synced stores; an absent one for a store that is not synced yet. */
async function bench(
  t: Test,
  given: {
    readonly nodes?: readonly Node[];
    readonly pods?: readonly Pod[];
    readonly servings?: readonly ModelServing[];
    readonly deadline?: number;
    readonly now?: () => number;
  },
): Promise<Bench> {
  const stores = {
    nodes: memoryStore<Node>(given.nodes),
    pods: memoryStore<Pod>(given.pods),
    servings: memoryStore<ModelServing>(given.servings ?? []),
  };
  const end = new AbortController();
  const running = await startExtender(
    {
      ...stores,
      listen: { host: '127.0.0.1', port: 0 },
      logger: silentLogger,
      metrics: new Metrics(),
      ...(given.deadline !== undefined && { deadline: given.deadline }),
      ...(given.now && { clock: { now: given.now } }),
    },
    end.signal,
  );
  t.teardown(() => running.stop());
  const address = running.address ?? { host: '', port: 0 };
  const send = (method: string, path: string, body?: string) => exchange({ ...address, method, path }, body);
  return {
    ...stores,
    address,
    post: (path, body) => send('POST', path, typeof body === 'string' ? body : JSON.stringify(body)),
    get: (path) => send('GET', path),
    metric: async (line) => line.test((await send('GET', '/metrics')).text),
  };
}

function exchange(
  options: {
    host: string;
    port: number;
    method: string;
    path: string;
    agent?: Agent;
    headers?: Record<string, string>;
  },
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined; // plain text of the probes
        }
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

const recorded = async (name: string): Promise<string> =>
  readFile(new URL(`../../../test/fixtures/extender/${name}.json`, import.meta.url), 'utf8');
const names = (nodes: readonly Node[]) => nodes.map(({ metadata }) => metadata.name ?? '');
const zeros = (hosts: readonly string[]) => hosts.map((Host) => ({ Host, Score: 0 }));
const asked = (pod: Pod, nodes: readonly string[]) => ({ Pod: pod, Nodes: null, NodeNames: nodes });
const hard = {
  metadata: { name: 'llm', namespace: 'default', annotations: { 'tandem.dev/placement': 'required: leaf' } },
  spec: { replicas: 1, template: { roles: [] } },
} as unknown as ModelServing;

t.test('what a real kube-scheduler 1.36.3 sent', async (t) => {
  const racks = Array.from({ length: 20 }, (_, i) =>
    aNode(`g${i}`, { 'topology.kubernetes.io/rack': `r${Math.floor(i / 5)}`, 'topology.kubernetes.io/zone': 'z1' }),
  );
  const decode = groupPod('decode', { serving: 'vllm-qwen-06b', node: 'g7', devices: 1 });
  const { post } = await bench(t, { nodes: racks, pods: [decode] });
  t.test('prioritize by names: every name once, whole numbers, the rack of the peer first', async (t) => {
    const body = JSON.parse(await recorded('extender-prioritize-names')) as { NodeNames: string[] };
    const { status, json } = await post('/prioritize', body);
    const scores = json as { Host: string; Score: number }[];
    t.equal(status, 200);
    t.strictSame(
      scores.map(({ Host }) => Host),
      body.NodeNames,
    );
    t.ok(scores.every(({ Score }) => Number.isInteger(Score) && Score >= 0 && Score <= 10));
    const score = (name: string) => scores.find(({ Host }) => Host === name)?.Score ?? -1;
    t.equal(score('g7'), 10, 'the peer is there and seven devices are free');
    t.ok(score('g5') > score('g10'), 'the same rack before the same zone');
  });
  t.test('prioritize for a pod of nobody: zeros', async (t) => {
    const body = JSON.parse(await recorded('extender-prioritize')) as { NodeNames: string[] };
    t.strictSame((await post('/prioritize', body)).json, zeros(body.NodeNames));
  });
  t.test('prioritize with whole nodes: answered by their names', async (t) => {
    const { status, json } = await post('/prioritize', await recorded('extender-prioritize-nodes'));
    t.equal(status, 200);
    t.match(json, [{ Host: 'g2' }, { Host: 'g7' }, { Host: 'g0' }]);
  });
  t.test('filter by names: the survivors are names', async (t) => {
    const body = JSON.parse(await recorded('extender-filter')) as { NodeNames: string[] };
    t.strictSame((await post('/filter', body)).json, {
      Nodes: null,
      NodeNames: body.NodeNames,
      FailedNodes: {},
      FailedAndUnresolvableNodes: {},
      Error: '',
    });
  });
  t.test('filter with whole nodes: the survivors are nodes', async (t) => {
    const body = JSON.parse(await recorded('extender-filter-nodes')) as { Nodes: { items: Node[] } };
    t.match((await post('/filter', body)).json, { NodeNames: null, Nodes: { items: body.Nodes.items }, Error: '' });
  });
  t.test('lower-case member names, as old schedulers wrote them, mean the same', async (t) => {
    const { Pod: pod, NodeNames: nodenames } = JSON.parse(await recorded('extender-prioritize-names')) as Record<
      string,
      unknown
    >;
    const old = await post('/prioritize', { pod, nodenames });
    t.strictSame(old.json, (await post('/prioritize', { Pod: pod, NodeNames: nodenames })).json);
  });
});

t.test("what Volcano's scheduler sent", async (t) => {
  const nodes = ['g2', 'g7', 'g12'].map((name) => aNode(name, { 'topology.kubernetes.io/rack': `r-${name}` }));
  const { post } = await bench(t, { nodes, pods: [] });
  const body = await recorded('volcano-prioritize');
  t.test('is answered with an object and an empty message', async (t) => {
    const { status, json } = await post('/volcano/prioritize', body);
    t.equal(status, 200);
    t.match(json, { nodeScore: { g7: Number, g12: Number, g2: Number }, errorMessage: '' });
  });
  t.test('a peer that this session has placed is seen in NodeInfo.Tasks', async (t) => {
    const prefill = groupPod('prefill', { devices: 1 });
    const decode = groupPod('decode', { devices: 1 });
    const bench2 = await bench(t, { nodes: fabric(2, 2), pods: [prefill, decode] });
    const tasks = { 'default/llm-0-prefill-0-0': { UID: prefill.metadata.uid, Status: 2 } };
    const infos = ['r1-n0', 'r1-n1', 'r2-n0', 'r2-n1'].map((Name) => ({ Name, Tasks: Name === 'r2-n1' ? tasks : {} }));
    const { json } = await bench2.post('/volcano/prioritize', { task: { Pod: decode }, nodes: infos });
    const { nodeScore } = json as { nodeScore: Record<string, number> };
    t.equal(nodeScore['r2-n1'], 1000);
    t.ok((nodeScore['r2-n0'] ?? 0) > (nodeScore['r1-n0'] ?? 0));
  });
  t.test('null nodes, as preemption sends them, get an empty object: a missing one would block the pod', async (t) => {
    t.strictSame((await post('/volcano/prioritize', await recorded('volcano-prioritize-nodes-null'))).json, {
      nodeScore: {},
      errorMessage: '',
    });
  });
});

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

t.test('what config/ hands to schedulers', async (t) => {
  const file = (path: string) => readFile(new URL(`../../../config/${path}`, import.meta.url), 'utf8');
  type Extender = Record<string, unknown>;
  const scheduler = parse(await file('scheduler/kube-scheduler.yaml')) as {
    percentageOfNodesToScore: number;
    extenders: Extender[];
  };
  t.equal(scheduler.percentageOfNodesToScore, 100, 'else the node of the peer may not be offered');
  t.strictSame(scheduler.extenders, [
    {
      urlPrefix: 'http://127.0.0.1:9600',
      prioritizeVerb: 'prioritize',
      weight: 20,
      nodeCacheCapable: true,
      httpTimeout: '500ms',
      ignorable: true,
    },
  ]);
  t.match(await file('extender/daemonset.yaml'), '127.0.0.1:9600', 'the address that the DaemonSet listens on');
  type Conf = { tiers: { plugins: { name: string; arguments?: Record<string, unknown> }[] }[] };
  const volcano = parse(await file('scheduler/volcano-scheduler.conf')) as Conf;
  const given =
    volcano.tiers.flatMap(({ plugins }) => plugins).find(({ name }) => name === 'extender')?.arguments ?? {};
  t.strictSame(
    Object.keys(given).filter((key) => key.endsWith('Verb')),
    ['extender.prioritizeVerb'],
    'no other verb',
  );
  t.equal(given['extender.ignorable'], true);
  const managed = given['extender.managedResources'] as string[];
  const profiles = ['nvidia', 'amd', 'ascend910', 'ascend-1980', 'ascend310p'];
  for (const name of profiles) {
    const { resources } = parse(await file(`profiles/accelerator-${name}.yaml`)) as { resources: string[] };
    for (const resource of resources) t.ok(managed.includes(resource), `${resource} is managed`);
  }
  const rights = parseAllDocuments(await file('rbac/extender.yaml')).map(
    (document) => document.toJS() as { kind: string; rules?: { verbs: string[] }[] },
  );
  const verbs = rights.flatMap(({ rules = [] }) => rules.flatMap((rule) => rule.verbs));
  t.strictSame(new Set(verbs), new Set(['get', 'list', 'watch']), 'the extender writes nothing');
});
