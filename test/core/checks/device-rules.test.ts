/** Devices: counts, whole numbers, kinds, and the workers of a role. */
import { boundaries, engine, pod, role } from './boundaries.js';
import { decode, env, limits, prefill, replaced, roles, staffed } from './edits.js';
import { both, type Edit, type RoleDraft } from './example.js';

const gpus = (count: unknown, more: object = {}) => limits({ 'nvidia.com/gpu': count, ...more });
const npus = (count: unknown, resource = 'ascend-1980') => limits({ [`huawei.com/${resource}`]: count });
const resources = (limits: object | undefined, requests?: object) => (r: RoleDraft) =>
  Object.assign(r.container, { resources: { ...(limits && { limits }), ...(requests && { requests }) } });
const onNodes = (type: string) => (r: RoleDraft) =>
  Object.assign(r.pod, { nodeSelector: { 'accelerator-type': type } });
const hidden = (r: RoleDraft) => Object.assign(r, { command: ['/start.sh'], flags: {}, config: undefined });
const limitsAt = `${engine.decode}.resources.limits["nvidia.com/gpu"]`;

boundaries('TND-021', 'gpu', [
  ['as many devices as ranks', [decode(gpus('2')), decode(replaced({ 'tensor-parallel-size': '2' }))]],
  ['more devices than ranks', [decode(gpus('2'))]],
  [
    'one device less than ranks',
    [decode(replaced({ 'tensor-parallel-size': '2' }))],
    { path: limitsAt, saw: 1, want: 'at least 2', severity: 'error', fix: /nvidia\.com\/gpu to 2/ },
  ],
  ['no devices, one rank: a CPU engine', [decode(resources(undefined))]],
  [
    'no devices, two ranks: they may come from elsewhere',
    [decode(resources(undefined)), decode(replaced({ 'tensor-parallel-size': '2' }))],
    { saw: 0, severity: 'warning', fix: /the accelerator resource/ },
  ],
  [
    'no devices but a claim, two ranks',
    [
      decode(resources(undefined)),
      decode(replaced({ 'tensor-parallel-size': '2' })),
      decode((r) => Object.assign(r.pod, { resourceClaims: [{ name: 'gpu' }] })),
    ],
  ],
  ['a command that cannot be read', [decode(hidden), decode(env({ X: '' }))]],
]);

boundaries('TND-022', 'gpu', [
  ['what the engine uses', []],
  ['one device too many', [decode(gpus('2'))], { path: limitsAt, saw: 2, want: /^1, /, severity: 'warning' }],
  ['no device that anybody knows', [decode(resources({ 'example.com/chip': '4' }))]],
]);

boundaries('TND-023', 'gpu', [
  ['limits alone', []],
  ['both alike', [decode(resources({ 'nvidia.com/gpu': '1' }, { 'nvidia.com/gpu': 1 }))]],
  [
    'requests alone',
    [decode(resources(undefined, { 'nvidia.com/gpu': '1' }))],
    { path: `${engine.decode}.resources.limits`, want: /^nvidia\.com\/gpu as in requests$/ },
  ],
  [
    'both, and they differ',
    [decode(resources({ 'nvidia.com/gpu': '2' }, { 'nvidia.com/gpu': '1' }))],
    { path: `${engine.decode}.resources.requests`, saw: '1', want: '2, as in limits' },
  ],
  [
    'half a device on a worker',
    [decode(staffed({ resources: { limits: { 'nvidia.com/gpu': '0.5' } } }))],
    { path: `${role.decode}.workerTemplate.spec.containers[0].resources.limits`, saw: '0.5' },
  ],
  ['half a device', [decode(gpus('0.5'))], { path: `${engine.decode}.resources.limits`, saw: '0.5' }],
  ['a number with a unit', [decode(gpus('1k'))], { saw: '1k', want: 'a whole number' }],
  ['a unit in front', [decode(gpus('k1'))], { saw: 'k1' }],
  ['cpu and memory in any notation', [decode(gpus('1', { cpu: '500m', memory: '1.5Gi' }))]],
  ['what Kubernetes itself counts', [decode(gpus('1', { 'hugepages.kubernetes.io/x': '0.5' }))]],
  ['huge pages have no slash', [decode(gpus('1', { 'hugepages-2Mi': '0.5Gi' }))]],
  [
    'a second container',
    [
      decode((r) => {
        const sidecar = { name: 's', image: 'x', resources: { limits: { 'example.com/chip': '0.5' } } };
        const { name, image, args, ...rest } = { name: 'engine', image: r.image, args: ['m'], ...r.container };
        Object.assign(r.pod, { containers: [{ name, image, args, ...rest }, sidecar, { name: 'bare', image: 'x' }] });
      }),
    ],
    { path: `${pod.decode}.containers[1].resources.limits`, saw: '0.5' },
  ],
]);

boundaries('TND-034', 'npu', [
  ...(
    [
      ['module', '8', '3'],
      ['half', '4', '8'],
      ['card', '2', '4'],
      ['card-910b-2', '2', '4'],
      ['module-910b-8', '7', '9'],
      ['module-910b-16', '14', '9'],
      ['module-a3-16', '16', '3'],
      ['module-a3-16', '2', '1'],
      ['module-a3-16', '4', '18'],
      ['module-a3-16-super-pod', '6', '5'],
      ['module-a3-16-super-pod', '2', '0'],
    ] as const
  ).flatMap(([type, right, wrong]) => [
    [`${right} on nodes of type ${type}`, [decode(npus(right, 'Ascend910')), decode(onNodes(type))]] as const,
    [
      `${wrong} on nodes of type ${type}`,
      [decode(npus(wrong, 'Ascend910')), decode(onNodes(type))],
      {
        saw: Number(wrong),
        want: /^one of (1, )?2/,
        severity: 'error',
        fix: 'set huawei.com/Ascend910 to one of them',
      },
    ] as const,
  ]),
  ['a number of the profile, on nodes that nobody knows', [decode(npus('8', 'Ascend910')), decode(onNodes('new'))]],
  ['no number of any platform', [decode(npus('17', 'Ascend910'))], { saw: 17, severity: 'warning' }],
]);
const alone: Edit = ({ decode: d }) => Object.assign(d.role, { replicas: 0 });
const ofSuperPod = (r: RoleDraft) => Object.assign(r.metadata, { annotations: { 'sp-block': '32' } });
boundaries('TND-034', 'npu', [
  ['one die, where the group is one pod', [alone, prefill(npus('1', 'Ascend910')), prefill(onNodes('module-a3-16'))]],
  [
    'three dies, where the group is one pod',
    [alone, prefill(npus('3', 'Ascend910')), prefill(onNodes('module-a3-16'))],
    { saw: 3, want: 'one of 1, 2, 4, 6, 8, 10, 12, 14, 16' },
  ],
  [
    'a whole node of a logical super pod',
    [decode(npus('16', 'Ascend910')), decode(onNodes('module-a3-16-super-pod')), decode(ofSuperPod)],
  ],
  [
    'half a node of a logical super pod',
    [decode(npus('8', 'Ascend910')), decode(onNodes('module-a3-16-super-pod')), decode(ofSuperPod)],
    { saw: 8, want: 'one of 16', severity: 'error' },
  ],
  ['half a node that nobody knows', [decode(npus('8', 'Ascend910')), decode(ofSuperPod)]],
  ['a whole node of A5', [decode(npus('8', 'npu')), decode(onNodes('950-SuperPod-Atlas-8'))]],
  [
    'half a node of A5 in a group of two',
    [decode(npus('4', 'npu')), decode(onNodes('850-Atlas-8p-8'))],
    { saw: 4, want: 'one of 8', severity: 'error' },
  ],
  ['half a node of A5 alone', [alone, prefill(npus('4', 'npu')), prefill(onNodes('850-Atlas-8p-8'))]],
  [
    'three of a node of A5 alone',
    [alone, prefill(npus('3', 'npu')), prefill(onNodes('850-Atlas-8p-8'))],
    { saw: 3, want: 'one of 1, 2, 4, 8' },
  ],
  ['more than an A5 node has', [decode(npus('9', 'npu'))], { saw: 9, severity: 'warning' }],
]);
boundaries('TND-034', 'gpu', [['GPUs are not NPUs', [decode(gpus('3')), decode(onNodes('card'))]]]);

boundaries('TND-035', 'npu', [
  ['one resource', []],
  [
    'two resources',
    [decode(npus('2', 'Ascend910'))],
    {
      path: `${engine.decode}.resources.limits["huawei.com/Ascend910"]`,
      saw: 'huawei.com/Ascend910',
      want: /ascend-1980/,
    },
  ],
  ['no resource on decode', [decode(resources(undefined))]],
  ['no resource on prefill', [prefill(resources(undefined))]],
  ['one type of node', [both(onNodes('card'))]],
  [
    'two types of nodes',
    [prefill(onNodes('card')), decode(onNodes('half'))],
    { path: `${pod.decode}.nodeSelector`, saw: 'half', want: 'card, as on prefill' },
  ],
  ['a type on decode alone', [decode(onNodes('half'))]],
  ['a type on prefill alone', [prefill(onNodes('half'))]],
]);

const workers = (template?: object) =>
  decode((r) => Object.assign(r.role, { workerReplicas: 1, ...(template && { workerTemplate: template }) }));
const running = (container: object) => workers({ spec: { containers: [{ name: 'w', image: 'x', ...container }] } });
boundaries('TND-037', 'gpu', [
  ['no workers', [roles({ workerReplicas: 0 })]],
  ['workers that know nothing', [running({})], { path: `${role.decode}.workerTemplate`, severity: 'warning' }],
  ['workers without a template', [workers()], {}],
  ['workers with an empty template', [workers({})], {}],
  ['a rank in the arguments', [running({ args: ['--node-rank', '$(WORKER_INDEX)'] })]],
  ['a flag as the last word', [running({ args: ['--headless'] })]],
  ['a rank in the command', [running({ command: ['sh', '-c', 'ray start'] })]],
  ['Ray as a word of its own', [running({ command: ['ray', 'start'] })]],
  ['Ray by its path, in a script', [running({ command: ['sh', '-c', 'true;/usr/bin/ray start'] })]],
  ['an array is not Ray', [running({ command: ['array', 'start'] })], {}],
  ['the address in a variable', [running({ env: [{ name: 'A', value: '$(ENTRY_ADDRESS)' }] })]],
  ['a variable from elsewhere', [running({ env: [{ name: 'ENTRY_ADDRESS', valueFrom: {} }] })], {}],
  ['a rank in the entry alone', [running({}), decode(replaced({ nnodes: '2' }))]],
]);
