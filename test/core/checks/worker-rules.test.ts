/** Workers beside their entry pod: one engine over all of them. */
import { boundaries, role } from './boundaries.js';
import { decode, limits, replaced, staffed } from './edits.js';
import type { RoleDraft } from './example.js';

const worker = `${role.decode}.workerTemplate.spec.containers[0]`;
const gpus = (count: string) => ({ resources: { limits: { 'nvidia.com/gpu': count } } });
const joining = { command: ['sh', '-c'], args: ['ray start --block'] };
const several = (count: number) => (r: RoleDraft) => Object.assign(r.role, { workerReplicas: count });

boundaries('TND-122', 'gpu', [
  ['no workers', []],
  ['workers like their entry pod', [decode(staffed({}))]],
  [
    'another image',
    [decode(staffed({ image: 'vllm/vllm-openai:v0.11.0' }))],
    {
      path: `${worker}.image`,
      saw: 'vllm/vllm-openai:v0.11.0',
      want: /^vllm\/vllm-openai:v0\.12\.0, as/,
      severity: 'warning',
    },
  ],
  [
    'another model',
    [decode(staffed({}, ['--model', 'a/b']))],
    {
      path: /workerTemplate\.spec\.containers\[0\]\.args\[\d+\]$/,
      saw: 'a/b',
      want: /^Qwen\/Qwen3-0\.6B, as/,
      severity: 'error',
    },
  ],
  ['a worker that only joins', [decode(staffed({ command: ['ray', 'start'], args: ['--block'] }))]],
  [
    'another model in a script',
    [decode(staffed({ command: ['sh', '-c'], args: ['vllm serve a/b --headless'] }))],
    { saw: 'a/b', severity: 'warning' },
  ],
  ['a command that cannot be read', [decode(staffed({ command: ['/start.sh'], args: ['--model', 'a/b'] }))]],
  ['a worker that is no engine', [decode(staffed({ image: 'nginx', command: ['nginx'], args: [] }))]],
]);

const two = decode(replaced({ 'tensor-parallel-size': '2' }));
const four = decode(replaced({ 'tensor-parallel-size': '4' }));
boundaries('TND-123', 'gpu', [
  ['no workers', []],
  ['half of the ranks on each', [two, decode(staffed({}))]],
  [
    'one device for two ranks',
    [four, decode(limits({ 'nvidia.com/gpu': '2' })), decode(staffed(gpus('1')))],
    {
      path: `${worker}.resources.limits["nvidia.com/gpu"]`,
      saw: '1 on each worker, 2 on the entry pod',
      want: 'at least 2 on each worker',
      severity: 'error',
    },
  ],
  [
    'what the entry pod holds beyond its share, where the worker does not say its own',
    [four, decode(limits({ 'nvidia.com/gpu': '3' })), decode(staffed({ ...gpus('1'), ...joining }))],
  ],
  ['what the entry pod lacks is told of the entry pod', [four, decode(staffed(gpus('2')))]],
  [
    'a worker that only joins has its share too',
    [four, decode(limits({ 'nvidia.com/gpu': '2' })), decode(staffed({ ...gpus('1'), ...joining }))],
    { want: 'at least 2 on each worker', severity: 'warning' },
  ],
  ['three workers share the rest', [four, decode(staffed({})), decode(several(3))]],
  [
    'two workers do not',
    [four, decode(limits({ 'nvidia.com/gpu': '2' })), decode(staffed(gpus('1'))), decode(several(2))],
    { want: 'at least 2 on each worker' },
  ],
  [
    'the entry pod cannot be read',
    [four, decode(staffed({})), decode((r) => Object.assign(r, { command: ['/start.sh'] }))],
  ],
  ['pipeline stages', [decode(replaced({ 'pipeline-parallel-size': '2' })), decode(staffed({}))]],
  [
    'pipeline stages without devices',
    [
      decode(replaced({ 'pipeline-parallel-size': '4' })),
      decode(limits({ 'nvidia.com/gpu': '2' })),
      decode(staffed(gpus('1'))),
    ],
    {},
  ],
  ['replicas spread', [decode(replaced({ 'data-parallel-size': '2' })), decode(staffed({}))]],
  [
    'more replicas on a worker than devices',
    [decode(replaced({ 'data-parallel-size': '4', 'data-parallel-size-local': '2' })), decode(staffed({}))],
    { want: 'at least 2 on each worker' },
  ],
  ['no device is known, and one is enough', [two, decode(staffed({ resources: {} }))]],
  [
    'no device is known, and one is not enough',
    [four, decode(staffed({ resources: {} }))],
    { path: `${worker}.resources.limits`, fix: /accelerator resource/, severity: 'warning' },
  ],
]);
