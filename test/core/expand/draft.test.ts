/** A draft grows where nothing stands, and its patch makes the original grow alike. */
import fastJsonPatch from 'fast-json-patch';
import t from 'tap';
import { Draft } from '../../../src/core/expand/draft.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { type Addition, defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { packagedProfiles, sampleNames, sampleServing } from './samples.js';

const why = { by: 'test', because: 'it is tested' };
const field = (value: unknown, ...place: Extract<Addition, { kind: 'field' }>['place']): Addition => ({
  kind: 'field',
  place,
  value,
  ...why,
});
const entry = (value: object, list: readonly (string | number)[], more: object = {}): Addition => ({
  kind: 'entry',
  list,
  key: 'name',
  value,
  ...more,
  ...why,
});
const item = (value: string, ...list: string[]): Addition => ({ kind: 'item', list, value, ...why });
const words = (value: readonly string[], ...list: string[]): Addition => ({ kind: 'words', list, value, ...why });
const patched = (original: object, patch: readonly unknown[]): unknown =>
  fastJsonPatch.applyPatch(structuredClone(original), structuredClone(patch) as never, true).newDocument;

interface Row {
  readonly title: string;
  readonly before: object;
  readonly additions: readonly Addition[];
  readonly after: object;
  readonly patch: readonly object[];
}
const named = { key: 'name', is: 'b' };
const rows: readonly Row[] = [
  {
    title: 'a field',
    before: { a: 1 },
    additions: [field(2, 'b')],
    after: { a: 1, b: 2 },
    patch: [{ op: 'add', path: '/b', value: 2 }],
  },
  { title: 'a field that is taken', before: { a: 0 }, additions: [field(2, 'a')], after: { a: 0 }, patch: [] },
  {
    title: 'a field that is null',
    before: { a: null },
    additions: [field(2, 'a')],
    after: { a: 2 },
    patch: [{ op: 'replace', path: '/a', value: 2 }],
  },
  {
    title: 'a field with its parents',
    before: {},
    additions: [field(2, 'a', 'b')],
    after: { a: { b: 2 } },
    patch: [{ op: 'add', path: '/a', value: { b: 2 } }],
  },
  {
    title: 'parents that are null',
    before: { a: null },
    additions: [field(2, 'a', 'b')],
    after: { a: { b: 2 } },
    patch: [{ op: 'replace', path: '/a', value: { b: 2 } }],
  },
  {
    title: 'inside what was added there is no operation of its own',
    before: {},
    additions: [field({ x: [{ name: 'b' }] }, 'a'), field(1, 'a', 'x', named, 'y'), entry({ name: 'c' }, ['a', 'x'])],
    after: { a: { x: [{ name: 'b', y: 1 }, { name: 'c' }] } },
    patch: [{ op: 'add', path: '/a', value: { x: [{ name: 'b', y: 1 }, { name: 'c' }] } }],
  },
  { title: 'a field below a text', before: { a: 'x' }, additions: [field(2, 'a', 'b')], after: { a: 'x' }, patch: [] },
  { title: 'a field of a list', before: { a: [] }, additions: [field(2, 'a', 'b')], after: { a: [] }, patch: [] },
  {
    title: 'a field of an element',
    before: { a: [{}, {}] },
    additions: [field(2, 'a', 1, 'b')],
    after: { a: [{}, { b: 2 }] },
    patch: [{ op: 'add', path: '/a/1/b', value: 2 }],
  },
  {
    title: 'a field of an element that is not there',
    before: { a: [] },
    additions: [field(2, 'a', 0, 'b')],
    after: { a: [] },
    patch: [],
  },
  {
    title: 'a position in an object',
    before: { a: {} },
    additions: [field(2, 'a', 0, 'b')],
    after: { a: {} },
    patch: [],
  },
  {
    title: 'a field of a chosen element',
    before: { a: [null, 'b', { name: 'a' }, { name: 'b' }] },
    additions: [field(2, 'a', named, 'c')],
    after: { a: [null, 'b', { name: 'a' }, { name: 'b', c: 2 }] },
    patch: [{ op: 'add', path: '/a/3/c', value: 2 }],
  },
  {
    title: 'an element that is not there to be chosen',
    before: { a: [{ name: 'c' }] },
    additions: [field(2, 'a', named, 'c')],
    after: { a: [{ name: 'c' }] },
    patch: [],
  },
  {
    title: 'an element chosen in an object',
    before: { a: { name: 'b' } },
    additions: [field(2, 'a', named, 'c')],
    after: { a: { name: 'b' } },
    patch: [],
  },
  {
    title: 'names with slashes and tildes',
    before: { 'a/b': {} },
    additions: [field(2, 'a/b', '~c')],
    after: { 'a/b': { '~c': 2 } },
    patch: [{ op: 'add', path: '/a~1b/~0c', value: 2 }],
  },
  {
    title: 'an entry at the end',
    before: { l: [{ name: 'a' }] },
    additions: [entry({ name: 'b' }, ['l'])],
    after: { l: [{ name: 'a' }, { name: 'b' }] },
    patch: [{ op: 'add', path: '/l/1', value: { name: 'b' } }],
  },
  {
    title: 'an entry whose name is taken',
    before: { l: [null, { name: 'b', x: 1 }] },
    additions: [entry({ name: 'b' }, ['l'])],
    after: { l: [null, { name: 'b', x: 1 }] },
    patch: [],
  },
  {
    title: 'entries in front keep their order',
    before: { l: [{ name: 'z' }] },
    additions: [
      entry({ name: 'a' }, ['l'], { first: true }),
      entry({ name: 'm' }, ['l']),
      entry({ name: 'b' }, ['l'], { first: true }),
    ],
    after: { l: [{ name: 'a' }, { name: 'b' }, { name: 'z' }, { name: 'm' }] },
    patch: [
      { op: 'add', path: '/l/0', value: { name: 'a' } },
      { op: 'add', path: '/l/2', value: { name: 'm' } },
      { op: 'add', path: '/l/1', value: { name: 'b' } },
    ],
  },
  {
    title: 'an entry of a list that is missing',
    before: {},
    additions: [entry({ name: 'a' }, ['x', 'l'])],
    after: { x: { l: [{ name: 'a' }] } },
    patch: [{ op: 'add', path: '/x', value: { l: [{ name: 'a' }] } }],
  },
  {
    title: 'an entry of no list',
    before: { l: { name: 'a' } },
    additions: [entry({ name: 'b' }, ['l'])],
    after: { l: { name: 'a' } },
    patch: [],
  },
  {
    title: 'an item',
    before: { l: ['a'] },
    additions: [item('b', 'l'), item('a', 'l')],
    after: { l: ['a', 'b'] },
    patch: [{ op: 'add', path: '/l/1', value: 'b' }],
  },
  { title: 'an item of no list', before: { l: 'a' }, additions: [item('b', 'l')], after: { l: 'a' }, patch: [] },
  {
    title: 'words, unless the first of them is there',
    before: { l: ['--a', '1'] },
    additions: [words(['--b', '1'], 'l'), words(['--a', '2'], 'l')],
    after: { l: ['--a', '1', '--b', '1'] },
    patch: [
      { op: 'add', path: '/l/2', value: '--b' },
      { op: 'add', path: '/l/3', value: '1' },
    ],
  },
];

t.test('additions', async (t) => {
  for (const { title, before, additions, after, patch } of rows) {
    const original = structuredClone(before);
    const draft = new Draft(before);
    const took = additions.map((addition) => draft.add([], addition));
    t.strictSame(draft.object, after, title);
    t.strictSame(draft.patch, patch, `${title}: the patch`);
    t.strictSame(patched(before, draft.patch), after, `${title}: the patch makes it`);
    t.strictSame(before, original, `${title}: the original stays`);
    t.equal(took.some(Boolean), patch.length > 0, `${title}: what was taken is told`);
  }
});

t.test('additions below a place', async (t) => {
  const draft = new Draft({ roles: [{}, { spec: {} }] });
  const place = ['roles', 1, 'spec'];
  t.ok(draft.add(place, field(1, 'a')));
  t.ok(draft.add(place, field(2, 'b', 'c')));
  t.ok(draft.add(['roles', 0, 'spec'], field(3, 'a')), 'which is made when it is missing');
  t.notOk(draft.add(['roles', 2, 'spec'], field(4, 'a')), 'an element is never made');
  t.strictSame(draft.object, { roles: [{ spec: { a: 3 } }, { spec: { a: 1, b: { c: 2 } } }] });
  t.same(
    draft.patch.map(({ path }) => path),
    ['/roles/1/spec/a', '/roles/1/spec/b', '/roles/0/spec'],
  );
});

t.test('a replacement', async (t) => {
  const draft = new Draft({ a: { b: 1, l: [1] }, t: 'x' });
  t.ok(draft.replace(['a', 'b'], 2));
  t.notOk(draft.replace(['a', 'c'], 2), 'needs something to replace');
  t.notOk(draft.replace(['x', 'c'], 2));
  t.notOk(draft.replace(['t', 'c'], 2));
  t.notOk(draft.replace(['a', 0], 2), 'a position is of lists');
  t.notOk(draft.replace(['a', 'l', 'x', 'y'], 2), 'a name is of objects');
  t.ok(draft.replace(['a', 'l', 0], 5));
  t.ok(draft.add([], field({ z: 1 }, 'n')));
  t.ok(draft.replace(['n', 'z'], 3), 'also of what was added');
  t.strictSame(draft.object, { a: { b: 2, l: [5] }, t: 'x', n: { z: 3 } });
  t.strictSame(draft.patch, [
    { op: 'replace', path: '/a/b', value: 2 },
    { op: 'replace', path: '/a/l/0', value: 5 },
    { op: 'add', path: '/n', value: { z: 3 } },
  ]);
});

t.test('the patch of every sample makes its expansion', async (t) => {
  const profiles = packagedProfiles();
  for (const name of sampleNames) {
    for (const mode of ['template', 'pods']) {
      const sample = sampleServing(name);
      const written = {
        ...sample,
        metadata: { ...sample.metadata, annotations: { ...sample.metadata.annotations, 'tandem.dev/expand': mode } },
      };
      const { object, patch } = expandServing(written, profiles, settings);
      t.same(patched(written, patch), object, `${name}, ${mode}`);
      for (const role of object.spec.template.roles) {
        const metadata = {
          labels: { 'modelserving.volcano.sh/role': role.name, 'modelserving.volcano.sh/entry': 'true' },
        };
        const pod = {
          metadata,
          spec: { terminationGracePeriodSeconds: 30, containers: [], ...role.entryTemplate.spec },
        };
        const made = expandPod(pod, { profiles, settings, serving: object });
        t.same(patched(pod, made.patch), made.object, `${name}, ${mode}, a pod of ${role.name}`);
      }
    }
  }
});
