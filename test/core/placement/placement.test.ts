import fc from 'fast-check';
import t from 'tap';
import type { Node, Pod } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { type Advice, advise, allowNodes, planAll, type Surroundings } from '../../../src/core/placement/advice.js';
import { Cluster } from '../../../src/core/placement/cluster.js';
import { placementPolicy } from '../../../src/core/placement/policy.js';
import { fits, minus, requestsOf } from '../../../src/core/placement/resources.js';
import { pointsFor } from '../../../src/core/placement/score.js';
import { clusterOf, describePlacement, summarisePlacement } from '../../../src/core/placement/summary.js';
import { defaultLadder, ladderFrom } from '../../../src/core/placement/topology.js';
import { aNode, fabric, groupPod, plainPod } from '../../build/cluster.js';

interface Given {
  readonly nodes: readonly Node[];
  readonly pods?: readonly Pod[];
  readonly servings?: readonly ModelServing[];
  readonly expected?: Readonly<Record<string, string>>;
}

function around({ nodes, pods = [], servings = [], expected = {} }: Given): Surroundings {
  return {
    cluster: clusterOf(nodes, pods),
    servings: new Map(servings.map((s) => [`${s.metadata.namespace}/${s.metadata.name}`, s])),
    expected: new Map(Object.entries(expected)),
  };
}

function ask(given: Given, pod: Pod, candidates = given.nodes.map(({ metadata }) => metadata.name ?? '')): Advice {
  const surroundings = around(given);
  return advise(surroundings, planAll(surroundings), pod, candidates);
}

function scoresOf(advice: Advice): Record<string, number> {
  return advice.kind === 'scores' ? Object.fromEntries(advice.scores) : {};
}

/** The names with the highest score. */
function winners(advice: Advice): string[] {
  const scores = Object.entries(scoresOf(advice));
  const best = Math.max(...scores.map(([, score]) => score));
  return scores.filter(([, score]) => score === best).map(([name]) => name);
}

const leafOf = (name: string) => name.split('-')[0];
const serving = (annotations: Record<string, string>, roles: object[] = []): ModelServing =>
  ({
    metadata: { name: 'llm', namespace: 'default', annotations },
    spec: { replicas: 1, template: { roles } },
  }) as unknown as ModelServing;
const role = (name: string, replicas = 1, devices = 8, workerReplicas = 0) => ({
  name,
  replicas,
  workerReplicas,
  entryTemplate: { spec: plainPod('t', { devices }).spec },
});

t.test('the second pod of a group', async (t) => {
  const nodes = fabric(3, 3);
  const prefill = groupPod('prefill', { node: 'r2-n1' });
  const decode = groupPod('decode');
  const scores = scoresOf(ask({ nodes, pods: [prefill, decode] }, decode));
  t.test('is drawn to the leaf of the first', async (t) => {
    for (const [name, score] of Object.entries(scores)) {
      if (name === 'r2-n1') continue; // full: a scheduler would not offer it
      t.equal(score >= 7, leafOf(name) === 'r2', `${name} has ${score}`);
    }
  });
  t.test('prefers the rack to the rest of the zone', async (t) => {
    t.ok((scores['r1-n0'] ?? 0) > (scores['r3-n0'] ?? 0), 'r1 and r2 share a rack, r3 does not');
  });
  t.test('is drawn to the very node when it has room', async (t) => {
    const small = [groupPod('prefill', { node: 'r2-n1', devices: 4 }), groupPod('decode', { devices: 4 })] as const;
    t.strictSame(winners(ask({ nodes, pods: small }, small[1])), ['r2-n1']);
  });
});

t.test('the first pod of a group', async (t) => {
  t.test('goes to a leaf where the whole group fits', async (t) => {
    const nodes = fabric(3, 2);
    const filler = ['r1-n0', 'r2-n1'].map((node) => plainPod(`filler-${node}`, { node, devices: 8 }));
    const group = [groupPod('prefill'), groupPod('decode')] as const;
    const advice = ask({ nodes, pods: [...filler, ...group] }, group[0], ['r1-n1', 'r2-n0', 'r3-n0', 'r3-n1']);
    t.strictSame(winners(advice), ['r3-n0', 'r3-n1'], 'r1 and r2 have one free node each');
  });
  t.test('takes the smallest sufficient room, so that large rooms stay whole', async (t) => {
    const nodes = fabric(2, 4);
    const filler = ['r2-n0', 'r2-n1'].map((node) => plainPod(`filler-${node}`, { node, devices: 8 }));
    const group = [groupPod('prefill'), groupPod('decode')] as const;
    const free = ['r1-n0', 'r1-n1', 'r1-n2', 'r1-n3', 'r2-n2', 'r2-n3'];
    t.strictSame(winners(ask({ nodes, pods: [...filler, ...group] }, group[0], free)), ['r2-n2', 'r2-n3']);
  });
  t.test('reckons with pods that its serving has not made yet', async (t) => {
    const nodes = fabric(2, 3);
    const filler = plainPod('filler', { node: 'r1-n0', devices: 8 });
    const first = groupPod('prefill');
    const asked = serving({}, [role('prefill', 2), role('decode')]);
    const advice = ask({ nodes, pods: [filler, first], servings: [asked] }, first);
    t.strictSame(
      [...new Set(winners(advice).map(leafOf))],
      ['r2'],
      'three pods do not fit in the two free nodes of r1',
    );
  });
  t.test('follows the scheduler where it offers other nodes than planned', async (t) => {
    const nodes = fabric(2, 2);
    const group = [groupPod('prefill'), groupPod('decode')] as const;
    t.strictSame(winners(ask({ nodes, pods: group }, group[0], ['r2-n0', 'r2-n1'])), ['r2-n0', 'r2-n1'].slice(0, 2));
    const mixed = ask({ nodes, pods: group }, group[0], ['r1-n1', 'r2-n0']);
    t.equal(mixed.kind === 'scores' && mixed.plan.level, 'leaf');
  });
  t.test('of a lone pod: nothing to be near to, so all nodes are equal', async (t) => {
    const lone = groupPod('prefill');
    t.strictSame(new Set(Object.values(scoresOf(ask({ nodes: fabric(2, 2), pods: [lone] }, lone)))), new Set([0]));
  });
});

t.test('two groups that arrive together are not both led to the last room', async (t) => {
  const nodes = fabric(2, 2);
  const a = [groupPod('prefill', { group: 0 }), groupPod('decode', { group: 0 })] as const;
  const b = [groupPod('prefill', { group: 1 }), groupPod('decode', { group: 1 })] as const;
  const pods = [...a, ...b];
  const leaves = [a[0], a[1], b[0], b[1]].map((pod) => new Set(winners(ask({ nodes, pods }, pod)).map(leafOf)));
  t.strictSame(
    leaves.map((l) => [...l]),
    [['r1'], ['r1'], ['r2'], ['r2']],
  );
  t.test('also when the younger one is asked about first and its pod is not bound yet', async (t) => {
    const expected = { 'uid-llm-1-prefill-0-0': 'r2-n0' };
    t.strictSame([...new Set(winners(ask({ nodes, pods, expected }, b[1])).map(leafOf))], ['r2']);
    t.strictSame([...new Set(winners(ask({ nodes, pods, expected }, a[0])).map(leafOf))], ['r1']);
  });
});

t.test('a pod that was advised and is not seen bound yet counts as a peer where it was sent', async (t) => {
  const nodes = fabric(2, 2);
  const group = [groupPod('prefill'), groupPod('decode')] as const;
  const expected = { [group[0].metadata.uid ?? '']: 'r2-n1' };
  t.strictSame(winners(ask({ nodes, pods: group, expected }, group[1], ['r1-n0', 'r1-n1', 'r2-n0'])), ['r2-n0']);
  t.test('and so does a nominated one', async (t) => {
    const nominated = groupPod('prefill', { nominated: 'r2-n1' });
    const advice = ask({ nodes, pods: [nominated, group[1]] }, group[1], ['r1-n0', 'r1-n1', 'r2-n0']);
    t.strictSame(winners(advice), ['r2-n0']);
  });
});

t.test('links inside an instance outweigh those between prefill and decode', async (t) => {
  const nodes = fabric(2, 2);
  const entry = groupPod('decode', { node: 'r1-n0' });
  const prefill = groupPod('prefill', { node: 'r2-n0' });
  const worker = groupPod('decode', { index: 1 });
  t.strictSame(winners(ask({ nodes, pods: [entry, prefill, worker] }, worker, ['r1-n1', 'r2-n1'])), ['r1-n1']);
});

t.test('two prefills have nothing to say to each other', async (t) => {
  const nodes = fabric(2, 2);
  const pods = [groupPod('prefill', { node: 'r1-n0' }), groupPod('prefill', { instance: 1 })] as const;
  t.strictSame(new Set(Object.values(scoresOf(ask({ nodes, pods }, pods[1])))), new Set([0]));
});

t.test('nodes that the pod may not use are no room', async (t) => {
  const tainted = fabric(1, 2).map((node) => ({
    ...node,
    spec: { taints: [{ key: 'maintenance', effect: 'NoSchedule' }] },
  }));
  const nodes = [...tainted, ...fabric(2, 2).slice(2)];
  const group = [groupPod('prefill'), groupPod('decode')] as const;
  const advice = ask({ nodes, pods: group }, group[0]);
  t.strictSame([...new Set(winners(advice).map(leafOf))], ['r2']);
});

t.test('room that is held for another group costs points', async (t) => {
  const nodes = fabric(1, 3);
  const first = [groupPod('prefill', { group: 0, node: 'r1-n0' }), groupPod('decode', { group: 0 })] as const;
  const lone = groupPod('prefill', { group: 1 });
  const scores = scoresOf(ask({ nodes, pods: [...first, lone] }, lone, ['r1-n1', 'r1-n2']));
  t.ok((scores['r1-n2'] ?? 0) > (scores['r1-n1'] ?? 0), 'r1-n1 is meant for llm-0-decode');
});

t.test('who gets no scores', async (t) => {
  const nodes = fabric(2, 2);
  t.strictSame(ask({ nodes }, plainPod('nginx')), { kind: 'neutral', why: 'foreign-pod' });
  const pod = groupPod('prefill');
  const off = serving({ 'tandem.dev/placement': 'off' });
  t.strictSame(ask({ nodes, pods: [pod], servings: [off] }, pod), { kind: 'neutral', why: 'placement-off' });
  t.strictSame(ask({ nodes, pods: [pod] }, pod, []), { kind: 'neutral', why: 'no-candidates' });
});

t.test('tandem.dev/placement', async (t) => {
  const read = (value?: string) => placementPolicy(value === undefined ? undefined : { 'tandem.dev/placement': value });
  t.strictSame(read(), { policy: { mode: 'preferred' } });
  t.strictSame(read('preferred'), { policy: { mode: 'preferred' } });
  t.strictSame(read('off'), { policy: { mode: 'off' } });
  t.strictSame(read('required: leaf'), { policy: { mode: 'required', level: 'leaf' } });
  t.strictSame(read('required:rack'), { policy: { mode: 'required', level: 'rack' } });
  const wrong = read('required: planet');
  t.strictSame(wrong.policy, { mode: 'preferred' });
  t.match(wrong.problem, /required: planet.*write preferred, off, or "required: LEVEL"/);
});

t.test('the hard mode', async (t) => {
  const nodes = fabric(3, 2);
  const names = nodes.map(({ metadata }) => metadata.name ?? '');
  const hard = serving({ 'tandem.dev/placement': 'required: leaf' }, [role('prefill'), role('decode')]);
  const group = [groupPod('prefill'), groupPod('decode')] as const;
  const filter = (given: Given, pod: Pod, offered = names) => {
    const surroundings = around(given);
    return allowNodes(surroundings, planAll(surroundings), pod, offered);
  };
  t.test('keeps the first pod to a leaf that has room for all', async (t) => {
    const filler = plainPod('filler', { node: 'r1-n0', devices: 8 });
    const { allowed, rejected } = filter(
      { nodes, pods: [filler, ...group], servings: [hard] },
      group[0],
      names.slice(1),
    );
    t.equal(new Set(allowed.map(leafOf)).size, 1);
    t.notOk(allowed.includes('r1-n1'), 'one free node is not room for two');
    t.strictSame(new Set(rejected.values()), new Set(['tandem: outside the domain of the group']));
  });
  t.test('keeps every other pod to the leaf of the first', async (t) => {
    const bound = groupPod('prefill', { node: 'r3-n1' });
    t.strictSame(filter({ nodes, pods: [bound, group[1]], servings: [hard] }, group[1]).allowed, ['r3-n0', 'r3-n1']);
  });
  t.test('refuses all nodes, with the reason, when no leaf has room', async (t) => {
    const filler = ['r1-n0', 'r2-n0', 'r3-n0'].map((node) => plainPod(`filler-${node}`, { node, devices: 8 }));
    const { allowed, rejected } = filter({ nodes, pods: [...filler, ...group], servings: [hard] }, group[0], [
      'r1-n1',
      'r2-n1',
    ]);
    t.strictSame(allowed, []);
    t.strictSame([...rejected.values()], Array(2).fill('tandem: no domain has room for the whole group'));
  });
  t.test('never touches anyone else', async (t) => {
    t.strictSame(filter({ nodes, pods: group, servings: [serving({})] }, group[0]).allowed, names);
    t.strictSame(filter({ nodes, servings: [hard] }, plainPod('nginx')).allowed, names);
  });
});

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

t.test('for any cluster', async (t) => {
  const scenario = fc.record({
    leaves: fc.integer({ min: 1, max: 3 }),
    perLeaf: fc.integer({ min: 1, max: 3 }),
    fillers: fc.array(fc.tuple(fc.nat(8), fc.integer({ min: 1, max: 8 })), { maxLength: 6 }),
    prefills: fc.integer({ min: 0, max: 2 }),
    decodes: fc.integer({ min: 1, max: 3 }),
    devices: fc.constantFrom(1, 2, 4, 8),
    groups: fc.integer({ min: 1, max: 3 }),
    seed: fc.integer(),
  });
  const build = ({
    leaves,
    perLeaf,
    fillers,
    prefills,
    decodes,
    devices,
    groups,
  }: typeof scenario extends fc.Arbitrary<infer S> ? S : never) => {
    const nodes = fabric(leaves, perLeaf);
    const filler = fillers.map(([at, size], i) =>
      plainPod(`filler-${i}`, { node: nodes[at % nodes.length]?.metadata.name ?? '', devices: size }),
    );
    const members = (group: number) => [
      ...Array.from({ length: prefills }, (_, instance) => groupPod('prefill', { group, instance, devices })),
      ...Array.from({ length: decodes }, (_, instance) => groupPod('decode', { group, instance, devices })),
    ];
    return { nodes, filler, pods: Array.from({ length: groups }, (_, group) => members(group)).flat() };
  };
  t.test(
    'scores are whole numbers from 0 to 10, one for each candidate, equal however the input is ordered',
    async () => {
      fc.assert(
        fc.property(scenario, (s) => {
          const { nodes, filler, pods } = build(s);
          const all = [...filler, ...pods];
          for (const pod of pods) {
            const forward = scoresOf(ask({ nodes, pods: all }, pod));
            const names = nodes.map(({ metadata }) => metadata.name ?? '');
            if (!names.every((name) => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].includes(forward[name] ?? -1))) return false;
            const backward = ask({ nodes: [...nodes].reverse(), pods: [...all].reverse() }, pod, [...names].reverse());
            if (names.some((name) => scoresOf(backward)[name] !== forward[name])) return false;
          }
          return true;
        }),
        { numRuns: 60 },
      );
    },
  );
  t.test('the plans of all groups together never take more than there is', async () => {
    fc.assert(
      fc.property(scenario, (s) => {
        const { nodes, filler, pods } = build(s);
        const surroundings = around({ nodes, pods: [...filler, ...pods] });
        const { held } = planAll(surroundings);
        return [...surroundings.cluster.nodes.values()].every((node) => {
          const rest = (held.get(node.name) ?? []).reduce((free, { request }) => {
            if (!fits(request, free)) throw new Error(`${node.name} is taken twice`);
            return minus(free, request);
          }, node.free);
          return rest !== undefined;
        });
      }),
      { numRuns: 100 },
    );
  });
  t.test(
    'following the scores one pod after the other puts a group in one leaf whenever one leaf has room',
    async () => {
      fc.assert(
        fc.property(scenario, (s) => {
          const { nodes, filler, pods } = build({ ...s, groups: 1 });
          const before = clusterOf(nodes, filler);
          const perLeaf = new Map<string, number>();
          for (const { name, free } of before.nodes.values()) {
            const slots = Math.floor(Math.max(0, free.get('nvidia.com/gpu') ?? 0) / s.devices);
            perLeaf.set(leafOf(name) ?? '', (perLeaf.get(leafOf(name) ?? '') ?? 0) + slots);
          }
          if (pods.length < 2 || s.prefills === 0 || ![...perLeaf.values()].some((slots) => slots >= pods.length))
            return true;
          const placed: Pod[] = [];
          for (const pod of pods) {
            const seen = [...filler, ...placed, ...pods.slice(placed.length)];
            const state = clusterOf(nodes, seen);
            const feasible = [...state.nodes.values()].filter((n) => fits(requestsOf(pod), n.free)).map((n) => n.name);
            const best = winners(ask({ nodes, pods: seen }, pod, feasible));
            const node = best[Math.abs(s.seed) % best.length] ?? '';
            placed.push({ ...pod, spec: { ...pod.spec, nodeName: node } });
          }
          return new Set(placed.map(({ spec }) => leafOf(spec.nodeName ?? ''))).size === 1;
        }),
        { numRuns: 150 },
      );
    },
  );
});
