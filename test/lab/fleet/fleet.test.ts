/** The nodes file: what it makes, and what it says when it cannot. */
import t from 'tap';
import { domainsOfNode, nearestLevel } from '../../../src/core/placement/topology.js';
import { loadFleet, parseFleet } from '../../../src/lab/fleet/fleet.js';

void t.test('the default fleet', async (t) => {
  const nodes = await loadFleet();
  const named = (name: string) => {
    const node = nodes.find(({ metadata }) => metadata.name === name);
    if (!node) throw new Error(`no node ${name}`);
    return node;
  };
  const apart = (a: string, b: string) => nearestLevel(domainsOfNode(named(a)), domainsOfNode(named(b)));

  await t.test('has racks of both accelerators, several leaves each', (t) => {
    for (const [resource, prefix] of [
      ['nvidia.com/gpu', 'gpu-'],
      ['huawei.com/ascend-1980', 'npu-'],
    ] as const) {
      const own = nodes.filter(({ status }) => status?.allocatable?.[resource] === '8');
      t.ok(own.length >= 12, 'enough that a random choice scatters a group');
      t.ok(own.every(({ metadata }) => metadata.name?.startsWith(prefix)));
      t.ok(new Set(own.map(({ metadata }) => metadata.labels?.['topology.tandem.dev/leaf'])).size >= 3);
    }
    t.end();
  });
  await t.test('lies on the level ladder as its labels say', (t) => {
    t.equal(apart('gpu-r1-01', 'gpu-r1-04'), 'leaf');
    t.equal(apart('gpu-r1-01', 'gpu-r2-01'), 'rack');
    t.equal(apart('gpu-r1-01', 'gpu-r3-01'), 'zone');
    t.equal(apart('gpu-r1-01', 'npu-r1-01'), 'region', 'a leaf name that is used in another zone is another leaf');
    t.end();
  });
  await t.test('has no taints and the labels that real nodes have', (t) => {
    t.match(named('npu-r1-08').metadata.labels, {
      'kubernetes.io/hostname': 'npu-r1-08',
      'kubernetes.io/arch': 'arm64',
      'topology.kubernetes.io/zone': 'npu',
      'topology.tandem.dev/domain': 'npu-r1-08',
    });
    t.ok(nodes.every(({ spec }) => spec?.taints === undefined));
    t.end();
  });
});

void t.test('a file that cannot be used is refused with every mistake, its line and what to do', async (t) => {
  const cases: Record<string, [text: string, message: RegExp]> = {
    'broken YAML': ['groups: [', /line 1: /],
    'no groups': ['region: x', /groups: must be a list with at least one group/],
    'a group that is no mapping': ['groups: [1]', /line 1: groups\[0\]: must be a mapping/],
    'an unknown field': [
      'groups:\n  - {name: a, count: 1, colour: red}',
      /line 2: groups\[0\]\.colour: is not known here; known: name,/,
    ],
    'a bad name': ['groups:\n  - {name: A_b, count: 1}', /groups\[0\]\.name: must be a name of lower-case letters/],
    'no nodes': ['groups:\n  - {name: a, count: 0}', /groups\[0\]\.count: must be a whole number from 1 to 999/],
    'an unknown kind': ['groups:\n  - {name: a, count: 1, use: x}\nkinds: {y: {}}', /no kind is called "x"; known: y/],
    'a bad quantity': [
      'groups:\n  - {name: a, count: 1, capacity: {cpu: many}}',
      /capacity\.cpu: must be a quantity such as/,
    ],
    'nothing of pods': [
      'groups:\n  - {name: a, count: 1, capacity: {cpu: "1", memory: 1Gi}}',
      /says nothing of pods; add it/,
    ],
    'no level of that name': [
      'groups:\n  - {name: a, count: 1, levels: {row: r1}}',
      /levels\.row: is not a level; levels are node, domain/,
    ],
    'a label value that is none': [
      'groups:\n  - {name: a, count: 1, levels: {leaf: "r 1"}}',
      /levels\.leaf: must be a label value/,
    ],
    'two nodes of one name': [
      'groups:\n  - &a {name: a, count: 1, capacity: {cpu: "1", memory: 1Gi, pods: "1"}}\n  - *a',
      /two groups make a node called a-01; rename one group/,
    ],
  };
  for (const [what, [text, message]] of Object.entries(cases)) {
    t.throws(() => parseFleet(text, 'nodes.yaml'), { code: 'bad-nodes-file', message }, what);
    t.throws(() => parseFleet(text, 'nodes.yaml'), /nodes\.yaml cannot be used:[\s\S]*leave out --nodes/, what);
  }
  await t.rejects(
    loadFleet('/nowhere/nodes.yaml'),
    /there is no nodes file .*; name an existing one with --nodes FILE/,
  );
});
