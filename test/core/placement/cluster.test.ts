/** What plans are made from, and how they are summed up. */
import fc from 'fast-check';
import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import { Cluster } from '../../../src/core/placement/cluster.js';
import { requestsOf } from '../../../src/core/placement/resources.js';
import { pointsFor } from '../../../src/core/placement/score.js';
import { clusterOf, describePlacement, summarisePlacement } from '../../../src/core/placement/summary.js';
import { defaultLadder, ladderFrom } from '../../../src/core/placement/topology.js';
import { aNode, fabric, groupPod, plainPod } from '../../build/cluster.js';

t.test('the summary says what was reached beside what was possible', async (t) => {
  const nodes = fabric(2, 2);
  const near = [groupPod('prefill', { node: 'r1-n0' }), groupPod('decode', { node: 'r1-n1' })];
  const summary = summarisePlacement(clusterOf(nodes, near), 'default/llm-0');
  t.match(summary, { level: 'leaf', domain: 'r1', cost: 5, best: { level: 'leaf', cost: 5 }, waiting: [] });
  t.equal(
    summary && describePlacement(summary),
    'prefill-0 on r1-n0, decode-0 on r1-n1  same leaf r1 (cost 5, best possible 5)',
  );
  const far: [Pod, Pod] = [
    groupPod('prefill', { node: 'r1-n0', devices: 4 }),
    groupPod('decode', { node: 'r2-n1', devices: 4 }),
  ];
  t.match(summarisePlacement(clusterOf(nodes, far), 'default/llm-0'), {
    level: 'rack',
    cost: 15,
    best: { level: 'node', cost: 0 },
    pods: [{ level: 'rack' }, { level: 'rack' }],
  });
  const half = summarisePlacement(clusterOf(nodes, [far[0], groupPod('decode')]), 'default/llm-0');
  t.strictSame(half?.waiting, ['llm-0-decode-0-0']);
  t.equal(summarisePlacement(clusterOf(nodes, []), 'default/llm-0'), undefined);
});

t.test('points fall with cost and never rise', async (t) => {
  t.strictSame(
    [0, 1, 5, 15, 50, 200, 1000].map((cost) => pointsFor(cost, defaultLadder)),
    [10, 9, 7, 5, 2, 1, 0],
  );
  const flat = ladderFrom({ costs: { node: 5, domain: 5, leaf: 5 } });
  t.equal(pointsFor(5, flat), 10, 'levels of equal cost are equally good');
  const cost = fc.double({ min: 0, max: 2000, noNaN: true });
  fc.assert(fc.property(cost, cost, (a, b) => a > b || pointsFor(a, defaultLadder) >= pointsFor(b, defaultLadder)));
});

t.test('what a pod asks for', async (t) => {
  const of = (spec: object) => Object.fromEntries(requestsOf({ metadata: {}, spec: spec as Pod['spec'] }));
  const wants = (requests: object, extra: object = {}) => ({ name: 'c', resources: { requests }, ...extra });
  t.strictSame(of({ containers: [wants({ cpu: '500m' }), wants({ cpu: 1 })] }), { cpu: 1500, pods: 1 });
  t.strictSame(
    of({ containers: [wants({ cpu: '1' })], initContainers: [wants({ cpu: '3' })] }),
    { cpu: 3000, pods: 1 },
    'a larger init container counts alone',
  );
  t.strictSame(
    of({
      containers: [wants({ cpu: '1' })],
      initContainers: [wants({ cpu: '1' }, { restartPolicy: 'Always' }), wants({ cpu: '1' })],
    }),
    { cpu: 2000, pods: 1 },
    'a sidecar runs beside the containers',
  );
  t.strictSame(of({ containers: [{ name: 'c', resources: { limits: { 'x.io/npu': 4 } } }] }), {
    'x.io/npu': 4,
    pods: 1,
  });
  t.strictSame(of({ containers: [wants({ memory: '1.5Gi' })], overhead: { memory: 10 } }), {
    memory: 1610612746,
    pods: 1,
  });
});

t.test('a cluster that is told of changes', async (t) => {
  t.test('counts a pod once, whatever happens to it', async (t) => {
    const cluster = new Cluster();
    const free = () => cluster.nodes.get('a')?.free.get('nvidia.com/gpu');
    cluster.setPod(plainPod('early', { node: 'a', devices: 2 }));
    cluster.setNode(aNode('a'));
    t.equal(free(), 6, 'bound before the node was known');
    cluster.setPod(plainPod('early', { node: 'a', devices: 2 }));
    t.equal(free(), 6);
    cluster.setPod({ ...plainPod('early', { node: 'a', devices: 2 }), status: { phase: 'Succeeded' } });
    t.equal(free(), 8, 'what has ended holds nothing');
    cluster.removePod(plainPod('early'));
    cluster.removePod(plainPod('never seen'));
    t.equal(free(), 8);
  });
  t.test('does not change its version for a heartbeat', async (t) => {
    const cluster = clusterOf([aNode('a')], [groupPod('prefill')]);
    const { version } = cluster;
    const beat = aNode('a');
    cluster.setNode({ ...beat, status: { ...beat.status, conditions: [{ type: 'Ready', status: 'True' }] } });
    cluster.setPod({ ...groupPod('prefill'), status: { phase: 'Pending', conditions: [] } });
    t.equal(cluster.version, version);
    cluster.setPod(groupPod('prefill', { node: 'a' }));
    t.not(cluster.version, version);
  });
});
