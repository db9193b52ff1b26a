/** What each step adds to a hand-written engine container, and where the user's own words keep it away. */
import t from 'tap';
import type { Container } from '../../../src/api/kube.js';
import { levels } from '../../../src/api/names.js';
import { expanded, gpus, kv, nixl } from './hand-written-engine.js';

t.test('devices: requests and limits are made equal', async (t) => {
  const rows: readonly (readonly [string, object, object | undefined])[] = [
    [
      'limits',
      { limits: { 'nvidia.com/gpu': '2' } },
      { limits: { 'nvidia.com/gpu': '2' }, requests: { 'nvidia.com/gpu': '2' } },
    ],
    [
      'a number',
      { limits: { 'nvidia.com/gpu': 2 } },
      { limits: { 'nvidia.com/gpu': 2 }, requests: { 'nvidia.com/gpu': 2 } },
    ],
    [
      'requests',
      { requests: { 'nvidia.com/gpu': '2' } },
      { limits: { 'nvidia.com/gpu': '2' }, requests: { 'nvidia.com/gpu': '2' } },
    ],
    ['no devices', { limits: { memory: '1Gi' } }, { limits: { memory: '1Gi' } }],
    ['a device that nobody knows', { limits: { 'example.com/chip': '1' } }, { limits: { 'example.com/chip': '1' } }],
    ['an amount that is none', { limits: { 'nvidia.com/gpu': null } }, { limits: { 'nvidia.com/gpu': null } }],
    ['nothing', {}, {}],
  ];
  for (const [title, resources, wanted] of rows)
    t.same(expanded({ args: ['m'], resources }).engine.resources, wanted, title);
});

t.test('the network card', async (t) => {
  const cards = (container: object, network: string) => {
    const { limits = {}, requests = {} } =
      expanded(container, { annotations: { 'tandem.dev/network': network } }).engine.resources ?? {};
    return [limits['rdma/ib'], requests['rdma/ib']];
  };
  t.same(cards({ args: nixl }, 'rdma/ib'), ['1', '1']);
  t.same(cards({ args: nixl }, 'rdma/ib=2'), ['2', '2']);
  t.same(cards({ args: ['m'] }, 'rdma/ib'), [undefined, undefined], 'an engine that moves no KV needs none');
  t.same(
    cards({ args: nixl, resources: { limits: { 'rdma/ib': '4' } } }, 'rdma/ib'),
    ['4', '1'],
    'what the user wrote stands',
  );
});

const sizeOf = (container: object) =>
  expanded({ args: ['m'], ...container }).template.spec?.volumes?.find(({ name }) => name === 'shared-memory')?.emptyDir
    ?.sizeLimit;
t.test('shared memory', async (t) => {
  t.equal(sizeOf({}), '16Gi', 'the profile’s minimum');
  t.equal(sizeOf(gpus(4)), '16Gi', 'as much as four devices need');
  t.equal(sizeOf(gpus(8)), '32Gi', 'more for more devices');
  for (const [memory, wanted] of [
    ['64Gi', '16Gi'],
    ['32Gi', '16Gi'],
    ['30Gi', '15Gi'],
    [2 ** 34, '8Gi'],
    ['0', '16Gi'],
    ['much', '16Gi'],
    [true, '16Gi'],
  ] as const)
    t.equal(sizeOf({ resources: { limits: { memory } } }), wanted, `at most half of a limit of ${memory}`);
});

t.test('a volume and its mount come together', async (t) => {
  const shared = (container: object, spec: object = {}) => {
    const { template, engine } = expanded({ args: ['m'], ...container }, { spec });
    return [template.spec?.volumes, engine.volumeMounts];
  };
  const mine = [{ name: 'x', mountPath: '/dev/shm/' }];
  t.same(shared({ volumeMounts: mine }), [undefined, mine], 'a mount of the user’s, also with a slash at its end');
  t.same(
    shared({ volumeMounts: [{ name: 'x', mountPath: '/dev//shm' }] })[0]?.length,
    1,
    'slashes inside are another path',
  );
  t.same(shared({ volumeMounts: 'none' }), [undefined, 'none'], 'mounts of a wrong shape');
  t.same(shared({}, { volumes: { a: 1 } }), [{ a: 1 }, undefined], 'volumes of a wrong shape');
  t.match(
    shared({ volumeMounts: null }, { volumes: null }),
    [[{ name: 'shared-memory' }], [{ name: 'shared-memory' }]],
    'null is absent',
  );
  const lost = [{ name: 'shared-memory', mountPath: '/dev/shm' }];
  t.match(
    shared({ volumeMounts: lost }),
    [[{ name: 'shared-memory', emptyDir: { medium: 'Memory' } }], lost],
    'a mount that lost its volume gets it back',
  );
  const kept = [
    { name: 'other', emptyDir: {} },
    { name: 'shared-memory', emptyDir: {} },
  ];
  t.same(shared({ volumeMounts: lost }, { volumes: kept }), [kept, lost], 'a mount with its volume stands');
});

const npu = (connector: string) => ({
  image: 'quay.io/ascend/vllm-ascend:v0.13.0',
  args: ['m', '-tp', '2', ...kv(connector)],
  resources: { limits: { 'huawei.com/Ascend910': 2 } },
});
t.test('files of the node', async (t) => {
  const config = { name: 'hccn-config', hostPath: { path: '/etc/hccn.conf', type: 'File' } };
  const mount = { name: 'hccn-config', mountPath: '/etc/hccn.conf', readOnly: true };
  const files = (container: object, spec: object = {}) => {
    const { template, engine } = expanded({ ...npu('MooncakeConnectorV1'), ...container }, { spec });
    const of = (name: string) => name.startsWith('hccn') || name === 'x';
    return [
      template.spec?.volumes?.filter(({ name }) => of(name)),
      engine.volumeMounts?.filter(({ name }) => of(name)),
    ];
  };
  t.same(files({}), [[config], [mount]]);
  t.same(files(npu('NixlConnector')), [[], []], 'another connector needs none');
  const instead = [{ name: 'x', mountPath: '/usr/local/Ascend/driver' }];
  t.same(files({ volumeMounts: instead }), [[], instead], 'the whole driver has it');
  t.same(
    files({}, { volumes: [{ ...config, hostPath: { path: '/etc/hccn.conf' } }] })[1],
    [mount],
    'a volume of the same file is used',
  );
  t.same(
    files({}, { volumes: [{ name: 'hccn-config', hostPath: { path: '/etc/other' } }] })[1],
    [{ ...mount, name: 'hccn-config-tandem' }],
    'one of another file is not',
  );
  t.same(
    files({}, { volumes: [{ name: 'hccn-config', emptyDir: {} }] })[1],
    [{ ...mount, name: 'hccn-config-tandem' }],
    'nor one of another kind',
  );
});

t.test('capabilities', async (t) => {
  const added = (securityContext: unknown, args = nixl) =>
    (
      expanded({ args, ...(securityContext !== undefined && { securityContext }) }).engine.securityContext as
        | { capabilities?: { add?: unknown } }
        | undefined
    )?.capabilities?.add;
  t.same(added(undefined), ['IPC_LOCK']);
  t.same(added({ privileged: false }), ['IPC_LOCK']);
  t.same(added({ privileged: true }), undefined, 'a privileged container has all');
  t.same(added({ capabilities: { add: ['SYS_NICE'] } }), ['SYS_NICE', 'IPC_LOCK']);
  t.same(added({ capabilities: { drop: ['ALL'] } }), ['IPC_LOCK'], 'another one is dropped');
  t.same(added(undefined, ['m']), undefined, 'no connector, no transport');
});

t.test('environment', async (t) => {
  const env = (container: object, name: string) => expanded(container).engine.env?.filter((one) => one.name === name);
  t.same(env({ args: ['m'] }, 'VLLM_HOST_IP'), [
    { name: 'VLLM_HOST_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
  ]);
  t.same(env({ args: ['m'], env: [{ name: 'VLLM_HOST_IP', value: 'x' }] }, 'VLLM_HOST_IP'), [
    { name: 'VLLM_HOST_IP', value: 'x' },
  ]);
  t.same(env({ args: ['m'] }, 'HF_HUB_OFFLINE'), [], 'what only the terse form knows');
  t.same(env({ args: nixl }, 'VLLM_NIXL_SIDE_CHANNEL_PORT'), [{ name: 'VLLM_NIXL_SIDE_CHANNEL_PORT', value: '5600' }]);
  t.same(
    env({ args: ['m', ...kv('MyConnector')] }, 'VLLM_NIXL_SIDE_CHANNEL_PORT'),
    [],
    'a connector that no profile knows',
  );
});

t.test('what envFrom may set is left to it', async (t) => {
  const envFrom = [{ configMapRef: { name: 'tuning' } }];
  const names = (container: object) => (expanded(container).engine.env ?? []).map(({ name }) => name).sort();
  const [alone, beside] = [names({ args: nixl }), names({ args: nixl, envFrom })];
  t.same(
    alone.filter((name) => !beside.includes(name)),
    ['PYTHONHASHSEED', 'VLLM_ENGINE_READY_TIMEOUT_S', 'VLLM_HTTP_TIMEOUT_KEEP_ALIVE', 'VLLM_NIXL_SIDE_CHANNEL_PORT'],
  );
  t.same(beside, ['NAMESPACE', 'POD_IP', 'POD_NAME', 'VLLM_HOST_IP', 'VLLM_NIXL_SIDE_CHANNEL_HOST'], 'the pod’s own');
  t.same(names({ args: nixl, envFrom: [] }), alone, 'nothing to leave it to');
  t.same(names({ args: nixl, envFrom: null }), alone);
});

t.test('what a container mentions is defined before it, also in containers beside the engine', async (t) => {
  const names = (one: Container | undefined) => one?.env?.map(({ name }) => name);
  const sidecar = {
    name: 's',
    image: 'x',
    args: ['$(NODE_NAME)'],
    command: ['$(POD_UID)'],
    env: [{ name: 'A', value: '$(HOST_IP)' }],
  };
  const plain = { name: 'p', image: 'x', args: ['$(NOBODY) $(toString)'] };
  const engine = { name: 'e', image: 'vllm/vllm-openai:v0.12.0', args: ['m'] };
  const { template } = expanded(
    { args: ['m'] },
    {
      spec: {
        containers: [engine, sidecar, plain, 'odd'],
        initContainers: [{ name: 'i', image: 'x', args: ['$(POD_IP)'] }],
      },
    },
  );
  t.same(names(template.spec?.containers[1]), ['HOST_IP', 'NODE_NAME', 'POD_UID', 'A']);
  t.same(names(template.spec?.containers[2]), undefined);
  t.same(names(template.spec?.initContainers?.[0]), ['POD_IP']);
  t.same(names(template.spec?.containers[0])?.slice(0, 3), ['POD_NAME', 'NAMESPACE', 'POD_IP']);
});

t.test('what a container mentions of its place comes from the labels that a binding puts on the pod', async (t) => {
  const value = levels.map((level) => `$(TOPOLOGY_${level.toUpperCase()})`).join(' ');
  const places = (container: object) =>
    (expanded(container).template.spec?.containers[0]?.env ?? []).flatMap(({ name, valueFrom }) =>
      name.startsWith('TOPOLOGY_') ? [`${name} ${valueFrom?.fieldRef?.fieldPath}`] : [],
    );
  t.same(
    places({ args: ['m', '--served-model-name', value] }).sort(),
    levels.map((level) => `TOPOLOGY_${level.toUpperCase()} metadata.labels['topology.tandem.dev/${level}']`).sort(),
  );
  t.same(places({ args: ['m', '$(TOPOLOGY_PLANET)'] }), [], 'a level that there is not');
  t.same(places({ args: ['m'] }), [], 'nobody asks');
});

t.test('labels, resolver and grace', async (t) => {
  const spec = (more: object) => expanded({ args: ['m'] }, { spec: more }).template.spec;
  t.equal(spec({})?.terminationGracePeriodSeconds, 120);
  t.equal(spec({ terminationGracePeriodSeconds: 5 })?.terminationGracePeriodSeconds, 5);
  t.same([spec({})?.dnsPolicy, spec({ hostNetwork: true })?.dnsPolicy], [undefined, 'ClusterFirstWithHostNet']);
  t.equal(spec({ hostNetwork: true, dnsPolicy: 'Default' })?.dnsPolicy, 'Default');
  const labels = (metadata: object) => expanded(npu('MooncakeConnectorV1'), { metadata }).template.metadata?.labels;
  t.same(labels({}), { 'ring-controller.atlas': 'ascend-910b' });
  t.same(labels({ labels: { 'ring-controller.atlas': 'mine' } }), { 'ring-controller.atlas': 'mine' });
  const generation = (resource: string, nodeSelector: object = {}) => {
    const container = { ...npu('MooncakeConnectorV1'), resources: { limits: { [`huawei.com/${resource}`]: '4' } } };
    return expanded(container, { spec: { nodeSelector } }).template.metadata?.labels?.['ring-controller.atlas'];
  };
  t.equal(generation('Ascend910A'), 'ascend-910', 'the first generation');
  t.equal(generation('Ascend910B4'), 'ascend-910b');
  for (const type of ['module', 'half', 'card'])
    t.equal(generation('Ascend910', { 'accelerator-type': type }), 'ascend-910', type);
  for (const type of ['module-910b-8', 'card-910b-2', 'module-a3-16'])
    t.equal(generation('Ascend910', { 'accelerator-type': type }), 'ascend-910b', type);
});
