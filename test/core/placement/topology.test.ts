import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import t from 'tap';
import { type Level, levels } from '../../../src/api/names.js';
import {
  costOfLevel,
  type Domains,
  defaultLadder,
  distance,
  domainsOf,
  domainsOfNode,
  isWithin,
  ladderFrom,
  nearestLevel,
} from '../../../src/core/placement/topology.js';
import { loadLadder, parseLadder } from '../../../src/settings/ladder.js';

t.test('domains are read from node labels', async (t) => {
  const table: readonly [string, Level][] = [
    ['topology.tandem.dev/node', 'node'],
    ['kubernetes.io/hostname', 'node'],
    ['topology.tandem.dev/domain', 'domain'],
    ['nvidia.com/gpu.clique', 'domain'],
    ['network.topology.nvidia.com/accelerator', 'domain'],
    ['accelerator.topograph.run/domain', 'domain'],
    ['volcano.sh/hypernode', 'domain'],
    ['topology.tandem.dev/leaf', 'leaf'],
    ['network.topology.nvidia.com/leaf', 'leaf'],
    ['fabric.topograph.run/tier-0', 'leaf'],
    ['topology.k8s.aws/network-node-layer-3', 'leaf'],
    ['cloud.google.com/gce-topology-subblock', 'leaf'],
    ['alibabacloud.com/asw-id', 'leaf'],
    ['topology.kubernetes.io/rack', 'rack'],
    ['network.topology.nvidia.com/spine', 'rack'],
    ['topology.kubernetes.io/zone', 'zone'],
    ['topology.kubernetes.io/region', 'region'],
  ];
  for (const [key, level] of table) t.strictSame(domainsOf({ [key]: 'x' }), { [level]: 'x' }, `${key} is ${level}`);
  t.strictSame(
    domainsOf({ 'topology.kubernetes.io/rack': 'theirs', 'topology.tandem.dev/rack': 'ours' }),
    { rack: 'ours' },
    'our own label wins',
  );
  t.strictSame(domainsOf({ 'topology.kubernetes.io/zone': '' }), {}, 'an empty value is no domain');
  t.strictSame(domainsOf(undefined), {}, 'no labels, no domains');
  t.strictSame(domainsOfNode({ metadata: { name: 'n1' } }), { node: 'n1' }, 'a node is its own domain');
});

t.test('docs/placement.md names every level, cost and label of the default ladder', async (t) => {
  const page = await readFile(new URL('../../../../docs/placement.md', import.meta.url), 'utf8');
  for (const { level, cost, sources } of defaultLadder.rungs) {
    const row = page.split('\n').find((line) => line.startsWith(`| ${level}`)) ?? '';
    t.match(row, `| ${cost} |`);
    for (const source of sources) t.match(row, `\`${source}\``);
  }
});

t.test('the nearest level', async (t) => {
  const table: readonly [string, Domains, Domains, Level | undefined][] = [
    ['same node', { node: 'a', leaf: 'l' }, { node: 'a', leaf: 'l' }, 'node'],
    ['same leaf', { node: 'a', leaf: 'l' }, { node: 'b', leaf: 'l' }, 'leaf'],
    ['nothing known matches nothing', {}, {}, undefined],
    ['one side unknown', { leaf: 'l' }, {}, undefined],
    ['a level that one side lacks is skipped', { leaf: 'l', zone: 'z' }, { zone: 'z' }, 'zone'],
    ['racks of two zones with one name', { rack: 'r1', zone: 'a' }, { rack: 'r1', zone: 'b' }, undefined],
    ['two zones of a region', { rack: 'r1', zone: 'a', region: 'x' }, { rack: 'r1', zone: 'b', region: 'x' }, 'region'],
    ['two regions', { zone: 'a', region: 'x' }, { zone: 'a', region: 'y' }, undefined],
  ];
  for (const [title, a, b, level] of table) t.equal(nearestLevel(a, b), level, title);
  t.equal(distance({ leaf: 'l' }, { leaf: 'l' }), 5);
  t.equal(distance({}, {}), defaultLadder.beyond, 'the unknown is far');
  t.ok(
    isWithin('node', 'leaf') && isWithin('leaf', 'leaf') && !isWithin('rack', 'leaf') && !isWithin(undefined, 'region'),
  );
});

t.test('the ladder is configuration', async (t) => {
  const ladder = ladderFrom({ costs: { node: 5, leaf: 5 }, sources: { leaf: ['example.com/switch'] } });
  t.equal(costOfLevel('node', ladder), 5, 'same node is no better than same leaf when the operator says so');
  t.equal(costOfLevel('domain', ladder), 5, 'a farther level never costs less than a nearer one');
  t.equal(costOfLevel('leaf', ladder), 5);
  t.strictSame(domainsOf({ 'example.com/switch': 's1' }, ladder), { leaf: 's1' });
});

t.test('the ladder as a file', async (t) => {
  const parse = (text: string) => parseLadder(text, 'ladder.yaml');
  t.strictSame(parse(''), {});
  t.strictSame(parse('costs: {node: 5}\nsources: {leaf: [example.com/switch]}'), {
    costs: { node: 5 },
    sources: { leaf: ['example.com/switch'] },
  });
  const table: readonly [string, RegExp][] = [
    ['costs: {planet: 5}', /costs.planet must be one of node, domain, leaf, rack, zone, region, beyond/],
    ['costs: {leaf: near}', /costs.leaf must be a number from 0/],
    ['costs: {leaf: -1}', /costs.leaf must be a number from 0/],
    ['sources: {leaf: example.com/switch}', /sources.leaf must be a list of node label keys/],
    ['weights: {}', /weights must be left out/],
    ['- costs', /it must be a mapping/],
    ['costs: {', /it must be YAML/],
  ];
  for (const [text, message] of table) t.throws(() => parse(text), { code: 'ladder-invalid', message }, text);
  t.equal(await loadLadder(undefined), defaultLadder);
  await t.rejects(loadLadder('/nowhere/ladder.yaml'), { code: 'ladder-unreadable' });
});

const domain = fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined });
const domains = fc
  .record({ node: domain, domain, leaf: domain, rack: domain, zone: domain, region: domain })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Domains);

t.test('distance', async (t) => {
  fc.assert(fc.property(domains, domains, (a, b) => distance(a, b) === distance(b, a)));
  t.pass('is the same from both ends');
  fc.assert(fc.property(domains, (a) => !levels.some((level) => a[level] !== undefined) || distance(a, a) < 1000));
  t.pass('to itself is that of the nearest level known');
  fc.assert(
    fc.property(domains, domains, (a, b) => {
      const level = nearestLevel(a, b);
      return level === undefined || (a[level] !== undefined && a[level] === b[level]);
    }),
  );
  t.pass('is measured at a level that both ends are known to share');
});
