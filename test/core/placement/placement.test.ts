/** Which nodes a pod is drawn to. */
import t from 'tap';
import { fabric, groupPod, plainPod } from '../../build/cluster.js';
import { ask, leafOf, role, scoresOf, serving, winners } from './asking.js';

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
