/** Names, counts, images, gangs, labels and annotations of a ModelServing. */
import { boundaries, engine, pod, role } from './boundaries.js';
import { annotated, decode, env, prefill, roles, spec } from './edits.js';
import { both, type Edit, type RoleDraft } from './example.js';

const named =
  (name: unknown): Edit =>
  (d) =>
    Object.assign(d.metadata, { name });
const roleNamed = (name: unknown) => decode((r) => Object.assign(r, { name }));
const on = (more: object) => decode((r) => Object.assign(r.role, more));

boundaries('TND-101', 'gpu', [
  ['a short name', []],
  // 63 characters with `-1-prefill-1-0`, the longer of the two.
  ['as long as it may be', [named('a'.repeat(49))]],
  [
    'a character too long for one role',
    [named('a'.repeat(50))],
    { path: 'metadata.name', saw: 'a'.repeat(50), want: /^pod names such as a{50}-1-prefill-1-0 of at most 63/ },
  ],
  ['too long for both', [named('a'.repeat(51))], {}, {}],
  ['counts of two digits are longer', [named('a'.repeat(49)), spec({ replicas: 10 })], { want: /-10-prefill-1-0 / }],
  [
    'so are those of roles',
    [named('a'.repeat(49)), prefill((r) => Object.assign(r.role, { replicas: 10 }))],
    { want: /-prefill-10-0 / },
  ],
  [
    'and of workers',
    [named('a'.repeat(49)), prefill((r) => Object.assign(r.role, { workerReplicas: 10 }))],
    { want: /-prefill-1-10 / },
  ],
  [
    'counts that are not said',
    [spec({ replicas: undefined }), roles({ replicas: undefined, workerReplicas: undefined }), named('A')],
    { want: /^pod names such as A-1-prefill-1-0 / },
    {},
  ],
  ['a capital', [named('Demo')], {}, {}],
  ['a digit in front', [named('1demo')], {}, {}],
  ['a dot', [named('de.mo')], {}, {}],
  ['no name', [named(undefined)], { want: /^pod names such as -1-/ }, {}],
]);

boundaries('TND-102', 'gpu', [
  ['two names', []],
  ...['d', 'd-1', 'd1'].map((name) => [name, [roleNamed(name)]] as const),
  ...['', 'D', '1d', 'd-', '-d', 'd_1', 'd.1', undefined].map(
    (name) => [`"${name}"`, [roleNamed(name)], { path: `${role.decode}.name`, saw: name, want: /^a-z, 0-9/ }] as const,
  ),
  [
    'one name twice',
    [roleNamed('prefill')],
    { path: `${role.decode}.name`, saw: 'prefill', want: 'a name of its own' },
  ],
]);

const image = (name: unknown) => (r: RoleDraft) => Object.assign(r, { image: name });
const worker = (name: unknown) =>
  on({
    workerTemplate: {
      spec: {
        containers: [
          { name: 'a', image: 'x' },
          { name: 'w', image: name },
        ],
      },
    },
  });
boundaries('TND-103', 'gpu', [
  ['references', []],
  ['no reference', [decode(image(undefined))]],
  ['an empty one', [decode(image(''))]],
  ['a blank inside', [decode(image('a b'))], { path: `${engine.decode}.image`, saw: 'a b', want: /without blanks$/ }],
  ['a blank in front', [decode(image(' a'))], {}],
  ['a line end', [decode(image('a\n'))], {}],
  ['a blank in a worker', [worker('a b')], { path: `${role.decode}.workerTemplate.spec.containers[1].image` }],
  ['a template without spec', [on({ workerTemplate: {} })]],
]);

boundaries('TND-104', 'gpu', [
  ['counts', [spec({ replicas: 0 }), roles({ replicas: 0, workerReplicas: 0 })]],
  ['nothing said', [spec({ replicas: undefined }), roles({ replicas: undefined, workerReplicas: undefined })]],
  ['groups below zero', [spec({ replicas: -1 })], { path: 'spec.replicas', saw: -1, fix: 'correct replicas' }],
  ['half a group', [spec({ replicas: 0.5 })], { path: 'spec.replicas' }],
  ['instances below zero', [on({ replicas: -1 })], { path: `${role.decode}.replicas`, saw: -1 }],
  ['workers below zero', [on({ workerReplicas: -1 })], { path: `${role.decode}.workerReplicas`, saw: -1 }],
]);

boundaries('TND-108', 'gpu', [
  ['no workers', []],
  ['a worker with a template', [on({ workerReplicas: 1, workerTemplate: { spec: { containers: [] } } })]],
  [
    'a worker without',
    [on({ workerReplicas: 1 })],
    { path: `${role.decode}.workerTemplate`, saw: undefined, want: 'a pod template' },
  ],
  ['a worker with an empty one', [on({ workerReplicas: 1, workerTemplate: {} })], {}],
  ['nothing said', [on({ workerReplicas: undefined })]],
]);

const gang =
  (minRoleReplicas: object): Edit =>
  (d) =>
    Object.assign(d.template, { gangPolicy: { minRoleReplicas } });
const gangAt = (name: string) => `spec.template.gangPolicy.minRoleReplicas["${name}"]`;
boundaries('TND-107', 'gpu', [
  ['what there is', [gang({ prefill: 1, decode: 1 })]],
  ['none', [gang({ prefill: 0 })]],
  ['a gang without numbers', [(d) => Object.assign(d.template, { gangPolicy: {} })]],
  ['more', [gang({ decode: 2 })], { path: gangAt('decode'), saw: 2, want: '0 to 1, the replicas of the role' }],
  ['more, of a role that says nothing', [gang({ decode: 2 }), on({ replicas: undefined })], { want: /^0 to 1,/ }],
  ['as many as a larger role', [gang({ decode: 2 }), on({ replicas: 2 })]],
  ['below zero', [gang({ decode: -1 })], { saw: -1 }],
  ['a role that is not there', [gang({ chat: 1 })], { path: gangAt('chat'), saw: 'chat', want: 'the name of a role' }],
]);

boundaries('TND-109', 'gpu', [
  ['groups and groups', [spec({ rolloutStrategy: { type: 'ServingGroupRollingUpdate' } })]],
  ['groups, and a strategy without type', [spec({ rolloutStrategy: {} })]],
  [
    'groups and roles',
    [spec({ rolloutStrategy: { type: 'RoleRollingUpdate' } })],
    { path: 'spec.rolloutStrategy.type' },
  ],
  ['roles and roles', [spec({ rolloutStrategy: { type: 'RoleRollingUpdate' }, recoveryPolicy: 'RoleRecreate' })]],
]);

const labelled = (labels: object) => decode((r) => Object.assign(r.metadata, { labels }));
const owned = ['name', 'group-name', 'role', 'role-id', 'entry'].map((name) => `modelserving.volcano.sh/${name}`);
boundaries('TND-110', 'gpu', [
  ['a label of one’s own', [labelled({ app: 'x' })]],
  ...owned.map(
    (key) =>
      [
        key,
        [labelled({ app: 'x', [key]: 'y' })],
        { path: `${role.decode}.entryTemplate.metadata.labels["${key}"]`, saw: 'y' },
      ] as const,
  ),
  [
    'on workers',
    [on({ workerTemplate: { metadata: { labels: { 'modelserving.volcano.sh/role': 'y' } } } })],
    { path: /workerTemplate\.metadata\.labels/, saw: 'y' },
  ],
]);

const key = (name: string) => `tandem.dev/${name}`;
const said = (name: string, value: string) => annotated({ [key(name)]: value });
const roleSaid = (name: string, value: string) =>
  decode((r) => Object.assign(r.metadata, { annotations: { [key(name)]: value } }));
boundaries('TND-111', 'gpu', [
  ...(
    [
      ['expand', ['template', 'pods', 'off'], ['', 'on', 'a template', 'offline']],
      [
        'placement',
        ['preferred', 'off', 'required:node', 'required: leaf'],
        ['required', 'required:row', 'requiredxnode', 'not off', 'offline'],
      ],
      [
        'skip-checks',
        ['TND-001', ' TND-001 , TND-115 ', 'TND-001,TND-002', 'TND-001  ,  TND-002  '],
        ['', 'TND-1', 'TND-0001', 'tnd-001', 'TND-001,', 'TND-001 TND-002', 'x TND-001', 'TND-001,,TND-002'],
      ],
    ] as const
  ).flatMap(([name, right, wrong]) => [
    ...right.map((value) => [`${name}: "${value}"`, [said(name, value)]] as const),
    ...wrong.map(
      (value) =>
        [
          `${name}: "${value}"`,
          [said(name, value)],
          { path: `metadata.annotations["${key(name)}"]`, saw: value },
        ] as const,
    ),
  ]),
  ...['tensor-parallel', 'data-parallel', 'devices'].flatMap((name) => [
    ...['1', '16', '9999'].map((value) => [`${name}: ${value}`, [roleSaid(name, value)]] as const),
    ...['', '0', '01', '10000', '-1', '1.5', 'two', 'x1'].map(
      (value) =>
        [
          `${name}: "${value}"`,
          [roleSaid(name, value)],
          { path: `${role.decode}.entryTemplate.metadata.annotations["${key(name)}"]`, saw: value },
        ] as const,
    ),
  ]),
]);

boundaries('TND-112', 'gpu', [
  ['known keys', [said('model', 'a/b'), roleSaid('devices', '1')]],
  ['keys of others', [annotated({ 'example.com/x': '1', 'not.tandem.dev/x': '1' })]],
  ['on the serving', [said('modell', 'x')], { path: `metadata.annotations["${key('modell')}"]`, saw: key('modell') }],
  [
    'on a role',
    [roleSaid('device', '1')],
    { path: `${role.decode}.entryTemplate.metadata.annotations["${key('device')}"]` },
  ],
]);

boundaries('TND-113', 'gpu', [
  ['a container', []],
  [
    'an empty list',
    [decode((r) => Object.assign(r.pod, { containers: [] }))],
    { path: `${pod.decode}.containers`, saw: undefined },
  ],
  ['no list', [decode((r) => Object.assign(r.pod, { containers: undefined }))], {}],
  [
    'an empty list of workers',
    [on({ workerReplicas: 1, workerTemplate: { spec: { containers: [] } } })],
    { path: `${role.decode}.workerTemplate.spec.containers`, saw: undefined, severity: 'error' },
  ],
  ['no list of workers', [on({ workerReplicas: 1, workerTemplate: { spec: {} } })], {}],
  ['a template of no workers', [on({ workerReplicas: 0, workerTemplate: { spec: { containers: [] } } })]],
]);

const noVolcano = { hasVolcano: false };
const missing = { path: 'spec.schedulerName', fix: /gives the pods to default-scheduler;/ };
boundaries('TND-114', 'gpu', [['Volcano, which is there', []]]);
boundaries(
  'TND-114',
  'gpu',
  [
    ['Volcano, which is not there', [], missing],
    ['nothing said means Volcano', [spec({ schedulerName: undefined })], missing],
    ['another scheduler', [spec({ schedulerName: 'mine' })]],
  ],
  noVolcano,
);
boundaries('TND-114', 'npu', [['the list of NPUs needs Volcano too', [both(env({}))], missing]], noVolcano);
