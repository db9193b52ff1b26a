/** What an API server says of the shape of an object, said of a file; beside a live API server only what makes it unreadable. */
import t from 'tap';
import { checkShape } from '../../../src/core/checks/shape.js';
import { draft, type Edit } from './example.js';
import { route, server } from './servers.js';

type Told = readonly [path: string, saw: unknown, want: RegExp];
type Row = readonly [given: string, kind: string, object: unknown, ...told: Told[]];

const serving = (...edits: Edit[]): unknown => draft('gpu', ...edits);
const spec = (more: object): unknown => serving((d) => Object.assign(d.spec, more));
const roleWith = (more: object): unknown => serving((d) => Object.assign(d.decode.role, more));
const named = (name: unknown): unknown => serving((d) => Object.assign(d.decode, { name }));
const roles = (count: number): unknown => {
  const whole = draft('gpu');
  const [role] = whole.spec.template.roles;
  return { ...whole, spec: { ...whole.spec, template: { roles: Array.from({ length: count }, () => role) } } };
};
const on = (field: string) => `spec.template.roles[1].${field}`;
const target = (weight: unknown) => route({ rules: [{ targetModels: [{ modelServerName: 'demo', weight }] }] });
const weightAt = 'spec.rules[0].targetModels[0].weight';
const whole = /a whole number or a string/;

/** Types and required fields: without them nothing can be read. */
const unreadable: readonly Row[] = [
  ['the examples', 'ModelServing', serving()],
  ['a server', 'ModelServer', server()],
  ['a route', 'ModelRoute', route()],
  ['another kind', 'Deployment', { spec: 7 }],
  ['no object', 'ModelServing', 'x', ['the object', 'x', /^a mapping$/]],
  ['a list', 'ModelServing', [], ['the object', [], /^a mapping$/]],
  ['nothing in it', 'ModelServing', {}, ['spec', undefined, /required/]],
  ['an empty spec', 'ModelServing', { spec: {} }, ['spec.template', undefined, /required/]],
  ['a spec that is text', 'ModelServing', { spec: 'x' }, ['spec', 'x', /^a mapping$/]],
  [
    'roles that are no list',
    'ModelServing',
    { spec: { template: { roles: {} } } },
    ['spec.template.roles', {}, /type array/],
  ],
  [
    'a role that is a number',
    'ModelServing',
    { spec: { template: { roles: [7] } } },
    ['spec.template.roles[0]', 7, /^a mapping$/],
  ],
  ['a number in words', 'ModelServing', spec({ replicas: '2' }), ['spec.replicas', '2', /type integer/]],
  ['half a number', 'ModelServing', spec({ replicas: 1.5 }), ['spec.replicas', 1.5, /type integer/]],
  ['text that is a number', 'ModelServing', named(7), [on('name'), 7, /type string/]],
  ['null is absent', 'ModelServing', spec({ replicas: null })],
  ['undefined is absent', 'ModelServing', spec({ replicas: undefined })],
  ['a whole number or text', 'ModelServing', roleWith({ maxUnavailable: '10%' })],
  ['a whole number', 'ModelServing', roleWith({ maxUnavailable: 1 })],
  ['half a number or text', 'ModelServing', roleWith({ maxUnavailable: 0.5 }), [on('maxUnavailable'), 0.5, whole]],
  ['a list instead of either', 'ModelServing', roleWith({ maxUnavailable: [] }), [on('maxUnavailable'), [], whole]],
  ['open members', 'ModelServing', spec({ plugins: [{ name: 'p', config: { any: [{ thing: 1 }] } }] })],
  ['labels of text', 'ModelServer', server({ workloadSelector: { matchLabels: { 'a.b/c': 'x' } } })],
  [
    'labels of numbers',
    'ModelServer',
    server({ workloadSelector: { matchLabels: { 'a.b/c': 7, d: 8 } } }),
    ['spec.workloadSelector.matchLabels["a.b/c"]', 7, /type string/],
    ['spec.workloadSelector.matchLabels.d', 8, /type string/],
  ],
];

/** Fields and values that a newer API server may know. */
const refused: readonly Row[] = [
  ['an unknown field', 'ModelServing', spec({ replica: 1 }), ['spec.replica', 'replica', /^one of .*replicas/]],
  ['an unknown field that is no name', 'ModelServing', spec({ 'a b': 1 }), ['spec["a b"]', 'a b', /^one of /]],
  [
    'an unknown choice',
    'ModelServing',
    spec({ recoveryPolicy: 'X' }),
    ['spec.recoveryPolicy', 'X', /^one of ServingGroupRecreate, /],
  ],
  [
    'a name that is too long',
    'ModelServing',
    named('a'.repeat(13)),
    [on('name'), 'a'.repeat(13), /^at most 12 characters$/],
  ],
  ['a name of other characters', 'ModelServing', named('a_b'), [on('name'), 'a_b', /^text like /]],
  ['no roles', 'ModelServing', roles(0), ['spec.template.roles', '0 items', /^at least 1$/]],
  ['five roles', 'ModelServing', roles(5), ['spec.template.roles', '5 items', /^at most 4$/]],
  ['a weight below', 'ModelRoute', target(-1), [weightAt, -1, /^at least 0$/]],
  ['a weight above', 'ModelRoute', target(101), [weightAt, 101, /^at most 100$/]],
];

const allowed: readonly Row[] = [
  ['a name as long as it may be', 'ModelServing', named('a'.repeat(12))],
  ['four roles', 'ModelServing', roles(4)],
  ['no weight', 'ModelRoute', target(0)],
  ['a whole weight', 'ModelRoute', target(100)],
];

const told = (kind: string, object: unknown, strict: boolean) =>
  checkShape(kind, object, strict).map(({ path, saw, want }) => [path, saw, want]);

t.test('what cannot be read is told of a file and beside an API server', async (t) => {
  for (const [given, kind, object, ...wanted] of unreadable) {
    for (const strict of [true, false]) {
      const found = told(kind, object, strict);
      t.equal(found.length, wanted.length, `${given}: ${JSON.stringify(found)}`);
      t.match(found, wanted, given);
    }
  }
});

t.test('what only an API server may know is told of a file alone', async (t) => {
  for (const [given, kind, object, ...wanted] of [...refused, ...allowed]) {
    const found = told(kind, object, true);
    t.equal(found.length, wanted.length, `${given}: ${JSON.stringify(found)}`);
    t.match(found, wanted, given);
    t.same(told(kind, object, false), [], given);
  }
});
