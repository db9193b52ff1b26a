/** What the accelerator platform does itself: numbering devices, writing annotations, selecting nodes. */
import { boundaries, engine, pod } from './boundaries.js';
import { decode, env, limits, spec } from './edits.js';
import type { RoleDraft } from './example.js';

const variable = (name: string) => `${engine.decode}.env["${name}"]`;
const npus = (resource: string) => limits({ [`huawei.com/${resource}`]: '2' });
const written = (name: string, annotation: string) =>
  decode(env({ [name]: { valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${annotation}']` } } } }));

boundaries('TND-059', 'gpu', [
  ...['0', '0,1', '3,10'].map(
    (value) =>
      [
        `devices ${value}`,
        [decode(env({ CUDA_VISIBLE_DEVICES: value }))],
        { path: variable('CUDA_VISIBLE_DEVICES'), saw: value },
      ] as const,
  ),
  ...['', 'all', 'GPU-1', '0,', ',0', '0 1', 'x0'].map(
    (value) => [`"${value}"`, [decode(env({ CUDA_VISIBLE_DEVICES: value }))]] as const,
  ),
  ['devices from a field', [decode(env({ CUDA_VISIBLE_DEVICES: { valueFrom: {} } }))]],
  ['another variable', [decode(env({ MY_DEVICES: '0' }))]],
  [
    'a pod without devices',
    [decode(env({ CUDA_VISIBLE_DEVICES: '0' })), decode((r) => Object.assign(r.container, { resources: {} }))],
  ],
]);
boundaries('TND-059', 'npu', [
  [
    'NPUs',
    [decode(env({ ASCEND_RT_VISIBLE_DEVICES: '0,1' }))],
    { path: variable('ASCEND_RT_VISIBLE_DEVICES'), severity: 'warning' },
  ],
]);

const list = 'ASCEND_VISIBLE_DEVICES';
const real = 'AscendRealDevices';
boundaries('TND-060', 'npu', [
  ['no list', []],
  ['the annotation of the resource', [written(list, 'huawei.com/ascend-1980')]],
  [
    'that of another resource',
    [written(list, 'huawei.com/Ascend910')],
    { path: variable(list), saw: 'huawei.com/Ascend910', want: 'huawei.com/ascend-1980', severity: 'error' },
  ],
  ['the real devices', [written(real, 'huawei.com/AscendReal')]],
  [
    'the real devices elsewhere',
    [written(real, 'huawei.com/x')],
    { path: variable(real), want: 'huawei.com/AscendReal' },
  ],
  [
    'a label, not an annotation',
    [decode(env({ [list]: { valueFrom: { fieldRef: { fieldPath: "metadata.labels['a']" } } } }))],
  ],
  [
    'a part of a path',
    [decode(env({ [list]: { valueFrom: { fieldRef: { fieldPath: "x.metadata.annotations['a'].y" } } } }))],
  ],
  ['from a ConfigMap', [decode(env({ [list]: { valueFrom: { configMapKeyRef: { name: 'a', key: 'b' } } } }))]],
  ['a value', [decode(env({ [list]: '0' })), spec({ schedulerName: 'mine' })]],
  [
    'a pod without devices',
    [written(list, 'huawei.com/x'), decode((r) => Object.assign(r.container, { resources: {} }))],
  ],
  [
    'a scheduler that writes no list',
    [written(list, 'huawei.com/ascend-1980'), spec({ schedulerName: 'mine' })],
    { path: variable(list), saw: 'a scheduler that is not Volcano', severity: 'warning' },
  ],
  ['nothing said means Volcano', [written(list, 'huawei.com/ascend-1980'), spec({ schedulerName: undefined })]],
  ['another scheduler and no list', [spec({ schedulerName: 'mine' })]],
]);
boundaries(
  'TND-060',
  'npu',
  [['a cluster without Volcano', [written(list, 'huawei.com/ascend-1980')], { severity: 'warning' }]],
  { hasVolcano: false },
);

const carrying = (metadata: object) => decode((r) => Object.assign(r.metadata, metadata));
const selecting = (nodeSelector: object) => decode((r: RoleDraft) => Object.assign(r.pod, { nodeSelector }));
const mindCluster = [
  'ring-controller.atlas',
  'fault-scheduling',
  'pod-rescheduling',
  'sp-block',
  'accelerator-type',
  'host-arch',
];
boundaries('TND-061', 'npu', [
  ['nothing of either platform', []],
  ...mindCluster.map(
    (key) =>
      [
        `${key} with CCE`,
        [carrying({ labels: { app: 'x', [key]: 'x' } })],
        { path: pod.decode, saw: key, severity: 'warning' },
      ] as const,
  ),
  ...mindCluster.map(
    (key) => [`${key} with MindCluster`, [decode(npus('Ascend910')), carrying({ labels: { [key]: 'x' } })]] as const,
  ),
  ['as an annotation', [carrying({ annotations: { 'sp-block': '4' } })], { saw: 'sp-block' }],
  [
    'as a selector',
    [selecting({ 'accelerator-type': 'x' })],
    { saw: 'accelerator-type', want: /huawei\.com\/ascend-1980$/ },
  ],
  ['the selector of CCE', [selecting({ 'accelerator/huawei-npu': 'x' })]],
  [
    'the selector of CCE with MindCluster',
    [decode(npus('Ascend910')), selecting({ 'accelerator/huawei-npu': 'x' })],
    { saw: 'accelerator/huawei-npu' },
  ],
  [
    'no devices',
    [decode((r) => Object.assign(r.container, { resources: {} })), selecting({ 'accelerator-type': 'x' })],
  ],
]);
boundaries('TND-061', 'gpu', [['GPUs', [selecting({ 'accelerator-type': 'x' })]]]);
