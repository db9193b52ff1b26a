import t from 'tap';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();

t.test('a hand-written role that lacks only its connector', async (t) => {
  const role = (name: string, container: object) => ({
    name,
    entryTemplate: { spec: { containers: [{ name: 'e', image: 'vllm/vllm-openai:v0.12.0', ...container }] } },
  });
  const expanded = (connector: string, ...roles: object[]) =>
    expandServing(servingOf(JSON.stringify(roles), { 'tandem.dev/connector': connector }), profiles, settings);
  t.test('gets it at the end of its argument list, with what belongs to it', async (t) => {
    const { object, problems } = expanded(
      'nixl',
      role('prefill', { args: ['m', '-tp', '2'] }),
      role('decode', { command: ['vllm', 'serve', 'm'] }),
    );
    t.same(problems, []);
    const [prefill, decode] = readServing(object, profiles).roles;
    t.same(prefill?.pod?.container.args, [
      'm',
      '-tp',
      '2',
      '--kv-transfer-config',
      '{"kv_connector":"NixlConnector","kv_role":"kv_producer"}',
    ]);
    t.same(decode?.pod?.container.args?.[0], '--kv-transfer-config');
    t.match(decode?.pod, { connector: { role: 'kv_consumer' }, engine: { model: 'm' } });
    t.ok(decode?.pod?.env.has('VLLM_NIXL_SIDE_CHANNEL_HOST'));
    t.same(expandServing(object, profiles, settings).patch, []);
  });
  t.test('gets the sizes that both sides have', async (t) => {
    const npu = (args: string[]) => ({
      image: 'quay.io/ascend/vllm-ascend:v0.13.0',
      args,
      resources: { limits: { 'huawei.com/Ascend910': 8 } },
    });
    const { object } = expanded(
      'mooncake-v1',
      role('prefill', npu(['m', '-tp', '8'])),
      role('decode', npu(['m', '-tp', '2', '-dp', '4'])),
    );
    for (const { pod } of readServing(object, profiles).roles)
      t.same(pod?.connector?.config?.['kv_connector_extra_config'], {
        prefill: { dp_size: 1, tp_size: 8, pp_size: 1 },
        decode: { dp_size: 4, tp_size: 2, pp_size: 1 },
      });
  });
  t.test('also of SGLang, as flags', async (t) => {
    const sglang = {
      image: 'lmsysorg/sglang:v0.5.5',
      command: ['python3', '-m', 'sglang.launch_server'],
      args: ['--model-path', 'm'],
    };
    const { object } = expanded('sglang-nixl', role('prefill', sglang), role('decode', sglang));
    t.same(
      readServing(object, profiles).roles.map(({ pod }) => [pod?.connector?.profile?.name, pod?.side]),
      [
        ['sglang-nixl', 'prefill'],
        ['sglang-nixl', 'decode'],
      ],
    );
  });
  t.test('keeps the one that it has', async (t) => {
    const own = ['m', '--kv-transfer-config', '{"kv_connector":"MooncakeConnector","kv_role":"kv_producer"}'];
    const { object } = expanded('nixl', role('prefill', { args: own }));
    t.same(readServing(object, profiles).roles[0]?.pod?.container.args, own);
  });
  t.test('stays alone when it serves alone', async (t) => {
    t.equal(
      readServing(expanded('nixl', role('chat', { args: ['m'] })).object, profiles).roles[0]?.pod?.connector,
      undefined,
    );
  });
  const wrong: readonly (readonly [string, string, object, RegExp])[] = [
    [
      'a shell script is not edited',
      'nixl',
      { command: ['sh', '-c', 'vllm serve m'] },
      /^not expanded: spec\.template\.roles\[0\]\.entryTemplate\.spec\.containers\[0\]\.args is "a shell script without --kv-transfer-config".*; write/,
    ],
    [
      'a connector of another engine',
      'sglang-nixl',
      { args: ['m'] },
      /"tandem.dev\/connector"\] is "sglang-nixl", wanted a connector of vllm/,
    ],
    [
      'a connector that nobody knows',
      'nixxl',
      { args: ['m'] },
      /"tandem.dev\/connector"\] is "nixxl", wanted the name of a profile/,
    ],
  ];
  for (const [title, connector, container, expected] of wrong) {
    t.test(`${title}, and the user is told`, async (t) => {
      t.match(expanded(connector, role('prefill', container)).problems.map(describeExpandProblem), [expected]);
    });
  }
  t.test('a command that cannot be read is left as it is', async (t) => {
    const hidden = { command: ['/start.sh'], resources: { limits: { 'nvidia.com/gpu': 1 } } };
    t.same(expanded('nixl', role('prefill', hidden)).problems, []);
  });
});
