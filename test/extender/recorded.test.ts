/** What schedulers really sent, and what they must get. */
import t from 'tap';
import type { Node } from '../../src/api/kube.js';
import { aNode, fabric, groupPod } from '../build/cluster.js';
import { bench, recorded, zeros } from './bench.js';

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
