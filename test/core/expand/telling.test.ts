/** How additions are told: places, values, tables, notes. */
import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { fillJson, fillText } from '../../../src/core/expand/placeholders.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { resolvePlace, shorten, spellPlace } from '../../../src/core/expand/spell.js';
import { additionTable } from '../../../src/core/expand/table.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();
const template = {
  metadata: { labels: {} },
  spec: { containers: [{ name: 'e', env: [{ name: 'A' }, { name: 'B' }], args: ['--x'] }, { name: 7 }, 'c'] },
};

t.test('a place for a person', async (t) => {
  const rows: readonly (readonly [Parameters<typeof spellPlace>[0], string])[] = [
    [['spec', 'containers', 0, 'image'], 'containers[e].image'],
    [['spec', 'containers', 1, 'image'], 'containers[1].image'],
    [['spec', 'containers', 2, 'image'], 'containers[2].image'],
    [['spec', 'containers', 9, 'image'], 'containers[9].image'],
    [['spec', 'containers', 0, 'env', { key: 'name', is: 'A' }], 'containers[e].env[A]'],
    [['spec', 'containers', 0, 'env', { key: 'name', is: 'C' }, 'value'], 'containers[e].env[C].value'],
    [['spec', 'schedulerName'], 'spec.schedulerName'],
    [['metadata', 'labels', 'a.b/c'], 'metadata.labels["a.b/c"]'],
    [['workerReplicas'], 'workerReplicas'],
  ];
  for (const [place, text] of rows) t.equal(spellPlace(place, template), text);
});

t.test('a place in an object', async (t) => {
  const rows: readonly (readonly [Parameters<typeof resolvePlace>[1], (string | number)[] | undefined])[] = [
    [[], []],
    [
      ['spec', 'containers', 0],
      ['spec', 'containers', 0],
    ],
    [
      ['spec', 'containers', 0, 'env', { key: 'name', is: 'B' }],
      ['spec', 'containers', 0, 'env', 1],
    ],
    [
      ['spec', 'containers', 0, 'args', { key: '', is: '--x' }],
      ['spec', 'containers', 0, 'args', 0],
    ],
    [['spec', 'containers', 0, 'args', { key: '', is: '--y' }], undefined],
    [['spec', 'containers', { key: 'name', is: 'B' }], undefined],
    [['spec', { key: 'name', is: 'e' }], undefined],
    [['spec', 'containers', 3], undefined],
    [['spec', 'containers', 'e'], undefined],
    [['spec', 'x', 'y'], undefined],
  ];
  for (const [place, path] of rows) t.strictSame(resolvePlace(template, place), path, JSON.stringify(place));
});

t.test('a value in one short line', async (t) => {
  const rows: readonly (readonly [unknown, string])[] = [
    ['text', 'text'],
    [8, '8'],
    [undefined, ''],
    [{ a: 1 }, '{"a":1}'],
    [['a'], '["a"]'],
    [{ name: 'A', value: 'x' }, 'x'],
    [{ name: 'A', value: '' }, ''],
    [{ name: 'A' }, 'A'],
    [{ name: 1, value: 'x' }, '{"name":1,"value":"x"}'],
    [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, 'fieldRef status.podIP'],
    [{ name: 'A', valueFrom: { secretKeyRef: {} } }, 'A'],
    [{ name: 'A', valueFrom: 1 }, 'A'],
    [{ name: 'A', valueFrom: { fieldRef: {} } }, 'A'],
    [{ name: 'v', emptyDir: {} }, '{"emptyDir":{}}'],
    [{ name: 'v', value: 'x', emptyDir: {} }, '{"emptyDir":{}}'],
    ['a'.repeat(96), 'a'.repeat(96)],
    ['a'.repeat(97), `${'a'.repeat(95)}…`],
  ];
  for (const [value, text] of rows) t.equal(shorten(value), text, JSON.stringify(value));
});

t.test('the table joins roles that got the same, and counts by profile, most first', async (t) => {
  const reason = (role: string, by: string, field: string) => ({
    step: 's',
    role,
    by,
    field,
    value: 'v',
    because: 'b',
    place: [],
  });
  const table = additionTable([
    reason('p', 'b', 'x'),
    reason('p', 'a', 'x'),
    reason('d', 'a', 'x'),
    reason('p', 'c', 'y'),
    reason('d', 'd', 'y'),
    reason('d', 'd', 'z'),
  ]);
  t.equal(table.total, 6);
  t.same(table.counts, [
    { by: 'a', fields: 2 },
    { by: 'd', fields: 2 },
    { by: 'b', fields: 1 },
    { by: 'c', fields: 1 },
  ]);
  t.match(table.rows, [
    { roles: 'p', by: 'b', field: 'x', source: '' },
    { roles: 'p, d', by: 'a' },
    { roles: 'p', by: 'c' },
    { roles: 'd', by: 'd', field: 'y' },
    { roles: 'd', by: 'd', field: 'z' },
  ]);
  t.same(additionTable([]), { total: 0, counts: [], rows: [] });
});

t.test('placeholders', async (t) => {
  const values = { a: 'x', n: 7 };
  t.equal(fillText('{a}-{n}-{b}-{toString}', values), 'x-7-{b}-{toString}');
  t.strictSame(
    fillJson({ a: ['{n}', '{a}'], b: '{n}', c: 'n{n}', d: '{n}!', e: 1, f: null, g: '{toString}' }, values),
    {
      a: [7, 'x'],
      b: 7,
      c: 'n7',
      d: '7!',
      e: 1,
      f: null,
      g: '{toString}',
    },
  );
});

const role = (name: string, args: readonly string[] = ['m'], container = 'e') =>
  JSON.stringify({
    name,
    entryTemplate: { spec: { containers: [{ name: container, image: 'vllm/vllm-openai:v0.12.0', args }] } },
  });
const noteOf = ({ metadata }: ModelServing) => metadata.annotations?.['tandem.dev/expanded'];
const noted = (serving: ModelServing): Record<string, Record<string, string[]>> =>
  JSON.parse(noteOf(serving) ?? '{}') as never;
const expanded = (roles: string, note?: string) =>
  expandServing(servingOf(roles, note === undefined ? {} : { 'tandem.dev/expanded': note }), profiles, settings).object;

t.test('the note of what was added', async (t) => {
  const first = noted(expanded(`[${role('prefill')}]`));
  t.same(Object.keys(first), ['prefill']);
  const engine = first['prefill']?.['vllm'] ?? [];
  t.same(engine, [...engine].sort(), 'sorted');
  t.ok(
    (first['prefill']?.['tandem'] ?? []).some((field) => /^containers\[e\]\.env\[\w+(,\w+)+\]$/.test(field)),
    'elements of one list share an entry',
  );
  t.test('keeps what an earlier one said of roles that are still there', async (t) => {
    const before = JSON.stringify({ prefill: { vllm: ['a[x,y]', 'b'] }, gone: { vllm: ['c'] } });
    const after = noted(expanded(`[${role('prefill')}]`, before));
    t.same(Object.keys(after), ['prefill']);
    t.same(after['prefill']?.['vllm'], ['a[x,y]', 'b', ...engine].sort());
  });
  t.test('joins new elements to those of an earlier one', async (t) => {
    const field = engine.find((name) => /^containers\[e\]\.ports\[/.test(name)) ?? '';
    const before = JSON.stringify({ prefill: { vllm: ['containers[e].ports[1]'] } });
    const after = noted(expanded(`[${role('prefill')}]`, before))['prefill']?.['vllm'] ?? [];
    t.match(field, /^containers\[e\]\.ports\[\d+\]$/);
    t.ok(after.includes(field.replace('[e].ports[', '[e].ports[1,')), after.join(' '));
  });
  t.test('begins anew after somebody else’s text', async (t) => {
    for (const text of [
      'no JSON',
      '[]',
      '7',
      'null',
      '{"prefill":[]}',
      '{"prefill":{"vllm":"x"}}',
      '{"prefill":{"vllm":[]}}',
      '{"prefill":{"x":["12 fields"]}}',
    ])
      t.same(noted(expanded(`[${role('prefill')}]`, text)), first, text);
  });
  t.test('a list and its elements stay apart', async (t) => {
    const before = JSON.stringify({ prefill: { x: ['a', 'a[y]', 'a[z].b', '3 fields more', 'some 3 fields'] } });
    t.same(noted(expanded(`[${role('prefill')}]`, before))['prefill']?.['x'], [
      '3 fields more',
      'a',
      'a[y]',
      'a[z].b',
      'some 3 fields',
    ]);
  });
  t.test('says once what several roles have in common when it would be too long', async (t) => {
    const names = ['role-0', 'role-1', 'role-2', 'role-3'];
    const many = (container: string) => expanded(`[${names.map((name) => role(name, ['m'], container)).join()}]`);
    t.same(Object.keys(noted(many('e'))), names, 'a short one says it of each');
    const long = 'e'.repeat(200);
    const all = noted(many(long));
    t.same(Object.keys(all), [names.join()]);
    const fields = engine.map((field) => field.replace('containers[e]', `containers[${long}]`));
    t.same(all[names.join()]?.['vllm'], fields);
    t.same(expandServing(many(long), profiles, settings).patch, [], 'and is read back');
  });
  t.test('counts when even that is too long, and says nothing when there are too many', async (t) => {
    const unlike = (count: number, suffix = '') =>
      noteOf(
        expanded(
          `[${Array.from({ length: count }, (_, i) => role(`role-${i}${suffix}`, ['m'], `${i}`.repeat(300))).join()}]`,
        ),
      ) ?? '';
    const read = (text: string) => JSON.parse(text) as Record<string, Record<string, string[]>>;
    const counted = read(unlike(4))['role-0'] ?? {};
    t.match(counted['vllm'], [/^\d+ fields$/]);
    t.equal(counted['vllm']?.[0], `${flat(engine)} fields`);
    t.equal(unlike(4, 'x'.repeat(1_000)), '{}');
  });
});

/** Fields in a folded list. */
const flat = (folded: readonly string[]): number =>
  folded.reduce((sum, field) => sum + (/\[([^[\]]+)\]$/.exec(field)?.[1]?.split(',').length ?? 1), 0);
