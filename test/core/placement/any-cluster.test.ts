/** What holds for any cluster. */
import fc from 'fast-check';
import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import { planAll } from '../../../src/core/placement/advice.js';
import { fits, minus, requestsOf } from '../../../src/core/placement/resources.js';
import { clusterOf } from '../../../src/core/placement/summary.js';
import { fabric, groupPod, plainPod } from '../../build/cluster.js';
import { around, ask, leafOf, scoresOf, winners } from './asking.js';

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
