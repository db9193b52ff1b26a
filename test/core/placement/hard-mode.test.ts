/** What a serving may ask for, and nodes that are refused. */
import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import { allowNodes, planAll } from '../../../src/core/placement/advice.js';
import { placementPolicy } from '../../../src/core/placement/policy.js';
import { fabric, groupPod, plainPod } from '../../build/cluster.js';
import { around, type Given, leafOf, role, serving } from './asking.js';

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
