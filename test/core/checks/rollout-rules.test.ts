/** When a rollout of groups or of roles can make a step: numbers and percentages, as Kthena counts them. */
import { boundaries, type Row, role } from './boundaries.js';
import { decode, spec } from './edits.js';
import { both } from './example.js';

const at = 'spec.rolloutStrategy.rollingUpdateConfiguration';
const rolling = (rollingUpdateConfiguration: object | undefined, replicas?: number, type?: string) => [
  spec({
    rolloutStrategy: { ...(type && { type }), ...(rollingUpdateConfiguration && { rollingUpdateConfiguration }) },
  }),
  spec({ replicas }),
];
const cannotStep = { path: `${at}.maxUnavailable`, want: /^more than 0 of/ };
const wrong = (name: string, saw: unknown) => ({
  path: `${at}.${name}`,
  saw,
  want: /0% to 100%$/,
  fix: `correct ${name}`,
});

/** Values that are a whole number or a percentage, and values that are neither. */
const numbers = (row: (value: unknown) => Row, bad: (value: unknown) => Row): Row[] => [
  ...[0, 1, 7, '0%', '5%', '100%'].map(row),
  ...[-1, 1.5, 'one', '1', '101%', '999%', '1000%', '-1%', '1.5%', '10%x', 'x10%', '%', true].map(bad),
];

boundaries('TND-105', 'gpu', [
  ['no strategy', []],
  ['a strategy without numbers', rolling(undefined, 3)],
  ['one of three', rolling({ maxUnavailable: 1 }, 3)],
  [
    'none of three',
    rolling({ maxUnavailable: 0 }, 3),
    { ...cannotStep, saw: 0, want: 'more than 0 of 3, or a maxSurge' },
  ],
  ['none of three, but one more', rolling({ maxUnavailable: 0, maxSurge: 1 }, 3)],
  ['none of three, and none more', rolling({ maxUnavailable: 0, maxSurge: 0 }, 3), cannotStep],
  ['none of nothing', rolling({ maxUnavailable: 0 }, 0)],
  ['nothing said means one', rolling({}, 3)],
  ['no replicas said means one', rolling({ maxUnavailable: '100%' })],
  ['99% of one is none', rolling({ maxUnavailable: '99%' }), { saw: '99%', want: /of 1,/ }],
  ['33% of three is none', rolling({ maxUnavailable: '33%' }, 3), cannotStep],
  ['34% of three is one', rolling({ maxUnavailable: '34%' }, 3)],
  ['34% more of three is one', rolling({ maxUnavailable: 0, maxSurge: '34%' }, 3)],
  [
    'roles one by one',
    rolling({ maxUnavailable: 1 }, 3, 'RoleRollingUpdate'),
    { path: at, want: 'nothing with RoleRollingUpdate' },
  ],
  ['groups one by one', rolling({ maxUnavailable: 1 }, 3, 'ServingGroupRollingUpdate')],
  ...(['partition', 'maxSurge'] as const).flatMap((name) =>
    numbers(
      (value) => [`${name} ${value}`, rolling({ [name]: value }, 3)],
      (value) => [`${name} ${value}`, rolling({ [name]: value }, 3), wrong(name, value)],
    ),
  ),
  [
    'two wrong numbers',
    rolling({ maxUnavailable: -1, partition: 'x' }, 3),
    wrong('maxUnavailable', -1),
    wrong('partition', 'x'),
  ],
  ['a wrong number of no groups', rolling({ maxUnavailable: -1 }, 0), wrong('maxUnavailable', -1)],
]);

const byRole = spec({ rolloutStrategy: { type: 'RoleRollingUpdate' } });
const on = (more: object) => decode((r) => Object.assign(r.role, more));
const partition = `${role.decode}.partition`;
const unavailable = `${role.decode}.maxUnavailable`;
boundaries('TND-106', 'gpu', [
  ['nothing said', []],
  ['nothing said, roles one by one', [byRole]],
  ['a partition that nobody reads', [on({ partition: 1 })], { path: partition, saw: 1, want: 'nothing' }],
  ...numbers(
    (value) => [`partition ${value}`, [byRole, on({ partition: value })]],
    (value) => [
      `partition ${value}`,
      [byRole, on({ partition: value })],
      { path: partition, saw: value, fix: 'correct partition' },
    ],
  ),
  ['maxUnavailable that nobody reads', [on({ maxUnavailable: 0 })]],
  ['one of one', [byRole, on({ maxUnavailable: 1 })]],
  ['none of one', [byRole, on({ maxUnavailable: 0 })], { path: unavailable, saw: 0, want: '1 to 1' }],
  ['two of one', [byRole, on({ maxUnavailable: 2 })], { saw: 2, want: '1 to 1' }],
  ['two of two', [byRole, on({ maxUnavailable: 2, replicas: 2 })]],
  ['half of two', [byRole, on({ maxUnavailable: '50%', replicas: 2 })]],
  ['less than half of two', [byRole, on({ maxUnavailable: '49%', replicas: 2 })], { saw: '49%', want: '1 to 2' }],
  ['all of one, which nothing is said of', [byRole, on({ maxUnavailable: '100%', replicas: undefined })]],
  [
    'two of one, which nothing is said of',
    [byRole, on({ maxUnavailable: 2, replicas: undefined })],
    { want: '1 to 1' },
  ],
  ['none of nothing', [byRole, on({ maxUnavailable: 0, replicas: 0 })]],
  ['no number', [byRole, on({ maxUnavailable: 'x' })], { saw: 'x' }],
  [
    'both roles',
    [byRole, both((r) => Object.assign(r.role, { maxUnavailable: 0 }))],
    { path: `${role.prefill}.maxUnavailable` },
    { path: unavailable },
  ],
]);
