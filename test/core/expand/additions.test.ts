import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { additionTable } from '../../../src/core/expand/table.js';
import { engineOf, entry, expand } from './packaged.js';
import { sampleNames, sampleServing, servingOf } from './samples.js';

t.test('what is not an engine is left exactly as it is', async (t) => {
  const nginx = `
- name: prefill
  entryTemplate: {}
- name: web
  entryTemplate: {spec: {containers: [{name: web, image: "nginx:1.27", args: ["$(POD_NAME)"]}]}}
`;
  const before = servingOf(nginx, { 'tandem.dev/model': 'a/b' });
  const { object } = expand(before);
  t.same(object.spec.template.roles[1], before.spec.template.roles[1]);
  t.ok(object.spec.template.roles[0]?.entryTemplate.spec, 'beside it the terse role is made');
  const alone = servingOf('- name: web\n  entryTemplate: {spec: {containers: [{name: web, image: nginx}]}}');
  t.same(expand(alone), { object: alone, patch: [], reasons: [], problems: [], warnings: [], mode: 'template' });
});

t.test('additions', async (t) => {
  const engine = (container: object, spec: object = {}) =>
    servingOf(
      `- name: prefill\n  entryTemplate: {spec: ${JSON.stringify({ containers: [{ name: 'e', image: 'vllm/vllm-openai:v0.11.2', ...container }], ...spec })}}`,
    );
  const nixl = ['m', '--kv-transfer-config', '{"kv_connector":"NixlConnector","kv_role":"kv_producer"}'];
  const expanded = (serving: ModelServing) => engineOf(expand(serving).object, 'prefill');

  t.test('identity stands before what refers to it', async (t) => {
    const env =
      expanded(engine({ args: nixl, env: [{ name: 'ID', value: '$(POD_NAME)' }] })).env?.map(({ name }) => name) ?? [];
    t.ok(env.indexOf('POD_NAME') < env.indexOf('ID'));
  });
  t.test('a side channel advertises the pod when nobody says otherwise', async (t) => {
    const { env, ports, securityContext } = expanded(engine({ args: nixl }));
    t.match(
      env?.find(({ name }) => name === 'VLLM_NIXL_SIDE_CHANNEL_HOST'),
      { valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    );
    t.same(
      ports?.map(({ containerPort }) => containerPort),
      [8000, 5600],
    );
    t.same(securityContext?.capabilities?.add, ['IPC_LOCK']);
  });
  t.test('a capability that the user drops is not added back', async (t) => {
    const dropped = { capabilities: { drop: ['IPC_LOCK'] } };
    t.same(expanded(engine({ args: nixl, securityContext: dropped })).securityContext, dropped);
  });
  t.test('a seed that one side has is the other side’s too', async (t) => {
    const role = (name: string, env: object[]) =>
      `- name: ${name}\n  entryTemplate: {spec: ${JSON.stringify({ containers: [{ name: 'e', image: 'vllm/vllm-openai', args: nixl, env }] })}}`;
    const serving = servingOf(
      [role('prefill', []), role('decode', [{ name: 'PYTHONHASHSEED', value: '42' }])].join('\n'),
    );
    t.equal(
      engineOf(expand(serving).object, 'prefill').env?.find(({ name }) => name === 'PYTHONHASHSEED')?.value,
      '42',
    );
  });
  t.test('shared memory stays below half of the memory limit', async (t) => {
    const { volumes } = entry(
      expand(engine({ args: nixl, resources: { limits: { memory: '6Gi' } } })).object,
      'prefill',
    );
    t.match(volumes, [{ name: 'shared-memory', emptyDir: { medium: 'Memory', sizeLimit: '3Gi' } }]);
  });
  t.test('a volume of the same name and another meaning is not used', async (t) => {
    const mine = { volumes: [{ name: 'shared-memory', emptyDir: {} }] };
    const { object } = expand(engine({ args: nixl }, mine));
    t.same(
      entry(object, 'prefill').volumes?.map(({ name }) => name),
      ['shared-memory', 'shared-memory-tandem'],
    );
    t.match(engineOf(object, 'prefill').volumeMounts, [{ name: 'shared-memory-tandem', mountPath: '/dev/shm' }]);
  });
  t.test('the pod network’s interface is not named on the host network', async (t) => {
    const npu = {
      args: ['m'],
      image: 'quay.io/ascend/vllm-ascend:v0.11.0',
      resources: { limits: { 'huawei.com/Ascend910': 8 } },
    };
    const names = (spec: object) => expanded(engine(npu, spec)).env?.map(({ name }) => name) ?? [];
    t.ok(names({}).includes('HCCL_SOCKET_IFNAME'));
    t.notOk(names({ hostNetwork: true }).includes('HCCL_SOCKET_IFNAME'));
    t.ok(names({ hostNetwork: true }).includes('HCCL_IF_IP'));
  });
  t.test('a command that cannot be read gets no port and no probe', async (t) => {
    const { ports, startupProbe, env } = expanded(
      engine({ command: ['/start.sh'], resources: { limits: { 'nvidia.com/gpu': 1 } } }),
    );
    t.same([ports, startupProbe], [undefined, undefined]);
    t.ok(env?.some(({ name }) => name === 'POD_IP'));
  });
  t.test('MindCluster finds its pods by a label', async (t) => {
    const npu = engine({
      args: ['m'],
      image: 'quay.io/ascend/vllm-ascend:v0.11.0',
      resources: { limits: { 'huawei.com/Ascend910': 8 } },
    });
    const { metadata } = expand(npu).object.spec.template.roles[0]?.entryTemplate ?? {};
    t.same(metadata?.labels, { 'ring-controller.atlas': 'ascend-910b' });
  });
});

t.test('the table of additions', async (t) => {
  const { reasons } = expand(sampleServing('npu/modelserving'));
  const table = additionTable(reasons);
  t.equal(table.total, reasons.length);
  t.same(
    table.counts.map(({ fields }) => fields).reduce((a, b) => a + b, 0),
    table.total,
  );
  t.match(
    table.rows.find(({ field }) => field === 'workerReplicas'),
    { roles: 'prefill, decode', value: '0', by: 'tandem' },
  );
  t.ok(table.rows.every(({ because }) => because.length > 10));
});

t.test('the annotation of what was added stays short', async (t) => {
  for (const name of sampleNames) {
    const text = expand(sampleServing(name)).object.metadata.annotations?.['tandem.dev/expanded'] ?? '';
    t.ok(text.length > 100 && Buffer.byteLength(text) < 4096, name);
  }
  const four = ['prefill', 'decode', 'prefill-b', 'decode-b']
    .map((role) => `- name: ${role}\n  entryTemplate: {}\n`)
    .join('');
  const serving = servingOf(four, { 'tandem.dev/model': 'a/b', 'tandem.dev/accelerator': 'ascend-1980' });
  const once = expand(serving).object;
  const note = once.metadata.annotations?.['tandem.dev/expanded'] ?? '';
  t.ok(note.length <= 4000);
  t.notMatch(note, /\d+ fields/, 'four roles that share most of it are told in full');
  t.match(Object.keys(JSON.parse(note) as object), [
    'decode,decode-b,prefill,prefill-b',
    'decode,decode-b',
    'prefill,prefill-b',
  ]);
  const again = expand({ ...once, spec: serving.spec }).object;
  t.same(again, once, 're-applying the same file gives the same object');
});
