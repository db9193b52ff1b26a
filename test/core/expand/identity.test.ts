/** What depends on the pod: its labels, its grace, its scheduler, its hook, and who is told what. */
import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import { drainHook } from '../../../src/core/expand/drain.js';
import { expandPod, type PodContext } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readDrainHook } from '../../build/drain-hook.js';
import { packagedProfiles, sampleServing, servingOf } from './samples.js';

const profiles = packagedProfiles();
const context: PodContext = { profiles, settings };
const roleLabel = 'modelserving.volcano.sh/role';
const config = (connector: string, more: object = {}) =>
  JSON.stringify({ kv_connector: connector, kv_role: 'kv_producer', ...more });
const engine = (args: readonly string[], more: object = {}) => ({
  name: 'e',
  image: 'vllm/vllm-openai:v0.12.0',
  args,
  ...more,
});
const podWith = (
  container: object,
  spec: object = {},
  labels: Record<string, string> = { [roleLabel]: 'prefill' },
): Pod => ({ metadata: { labels }, spec: { containers: [container], ...spec } }) as unknown as Pod;
const nixl = ['m', '--kv-transfer-config', config('NixlConnector')];

t.test('labels for the router', async (t) => {
  const labels = (args: readonly string[]) => {
    const all = expandPod(podWith(engine(args)), context).object.metadata.labels ?? {};
    return ['dialect', 'connector', 'kv-fingerprint'].map((name) => all[`tandem.dev/${name}`]);
  };
  t.match(labels(nixl), ['nixl-pull', 'nixl', /^[0-9a-f]{16}$/]);
  t.same(labels(['m']), [undefined, undefined, undefined], 'an engine that moves no KV');
  t.match(labels(['m', '--kv-transfer-config', config('MyConnector')]), [undefined, undefined, /^[0-9a-f]{16}$/]);
  const { reasons } = expandPod(podWith(engine(['m', '--kv-transfer-config', config('MyConnector')])), context);
  t.match(
    reasons.find(({ field }) => field.includes('kv-fingerprint')),
    { by: 'tandem', role: 'prefill', step: 'identity-labels' },
  );
});

t.test('the fingerprint holds what both sides must agree on', async (t) => {
  const print = (connector: string, more: object = {}, args: readonly string[] = [], image?: unknown) =>
    expandPod(
      podWith(
        engine(['m', '--kv-transfer-config', config(connector, more), ...args], image === undefined ? {} : { image }),
      ),
      context,
    ).object.metadata.labels?.['tandem.dev/kv-fingerprint'];
  const extra = (more: object) => ({ kv_connector_extra_config: more });
  t.not(
    print('NixlConnector', extra({ enable_cross_layers_blocks: true })),
    print('NixlConnector'),
    'what the connector’s profile compares',
  );
  t.equal(
    print('NixlConnector', extra({ other: true })),
    print('NixlConnector'),
    'and nothing else of its configuration',
  );
  t.equal(print('NixlConnector', { kv_role: 'kv_consumer' }), print('NixlConnector'));
  t.not(print('MyConnector'), print('YourConnector'), 'a connector without profile, by its name');
  t.not(print('MyConnector'), print('NixlConnector'));
  t.not(
    print('P2pNcclConnector', {}, ['-tp', '2']),
    print('P2pNcclConnector'),
    'parallelism, where the connector wants it equal',
  );
  t.equal(print('NixlConnector', {}, ['-tp', '2']), print('NixlConnector'), 'and only there');
});

t.test('the grace period of a pod that nobody defaulted', async (t) => {
  const { object, reasons } = expandPod(podWith(engine(nixl)), context);
  t.equal(object.spec.terminationGracePeriodSeconds, 120);
  t.match(
    reasons.find(({ step }) => step === 'grace-period'),
    { by: 'vllm', field: 'terminationGracePeriodSeconds', value: '120' },
  );
  t.equal(readDrainHook(object.spec.containers[0]?.lifecycle?.preStop)?.seconds, 110);
  const short = expandPod(podWith(engine(nixl), { terminationGracePeriodSeconds: 5 }), context);
  t.equal(short.object.spec.terminationGracePeriodSeconds, 5);
  t.equal(
    readDrainHook(short.object.spec.containers[0]?.lifecycle?.preStop)?.seconds,
    1,
    'the hook takes a second at least',
  );
  t.notOk(short.reasons.some(({ step }) => step === 'grace-period'));
});

t.test('the grace period of a template that is silent', async (t) => {
  const roles = (spec: object) =>
    JSON.stringify([
      { name: 'web', entryTemplate: { spec: { terminationGracePeriodSeconds: 30 } } },
      { name: 'prefill', entryTemplate: { spec } },
    ]);
  const grace = (present: number, spec: object, labels?: Record<string, string>) => {
    const serving = servingOf(roles(spec));
    const { object, reasons } = expandPod(podWith(engine(nixl), { terminationGracePeriodSeconds: present }, labels), {
      ...context,
      serving,
    });
    return [
      object.spec.terminationGracePeriodSeconds,
      ...reasons.filter(({ step }) => step === 'grace-period').map(({ place, by, value }) => [place, by, value]),
    ];
  };
  t.same(grace(30, {}), [120, [['spec', 'terminationGracePeriodSeconds'], 'vllm', '120']]);
  t.same(grace(30, { terminationGracePeriodSeconds: 30 }), [30], 'a role is judged by its own template');
  t.same(grace(40, {}), [40], 'what is not Kubernetes’ own value was chosen by somebody');
  t.same(
    grace(30, { terminationGracePeriodSeconds: 30 }, { [roleLabel]: 'other' })[0],
    120,
    'a role that the serving lacks is silent',
  );
});

t.test('the scheduler', async (t) => {
  const mapped = {
    ...context,
    settings: { ...settings, schedulerNames: { volcano: 'default-scheduler', mine: 'mine' } },
  };
  const run = (schedulerName: unknown) => {
    const { object, warnings, reasons } = expandPod(
      podWith({ name: 'w', image: 'nginx' }, schedulerName === undefined ? {} : { schedulerName }),
      mapped,
    );
    return [object.spec.schedulerName, warnings.length, reasons.map(({ place, by, value }) => [place, by, value])];
  };
  t.same(run('volcano'), ['default-scheduler', 1, [[['spec', 'schedulerName'], 'tandem', 'default-scheduler']]]);
  t.same(run('other'), ['other', 0, []]);
  t.same(run('mine'), ['mine', 0, []], 'one that stands for itself');
  t.same(run('toString'), ['toString', 0, []]);
  t.same(run(undefined), [undefined, 0, []]);
});

t.test('a pod without labels, of no known engine, or of a serving that is off', async (t) => {
  t.same(
    expandPod({ metadata: {}, spec: { containers: [{ name: 'w', image: 'nginx' }] } } as unknown as Pod, context).patch,
    [],
  );
  const serving = { ...servingOf('[]', { 'tandem.dev/expand': 'off' }) };
  const pod = podWith(engine(nixl), { schedulerName: 'volcano' });
  const off = expandPod(pod, { profiles, settings: { ...settings, schedulerNames: { volcano: 'x' } }, serving });
  t.same(off, { object: pod, patch: [], reasons: [], warnings: [] });
  t.same(expandServing(serving, profiles, settings), {
    object: serving,
    patch: [],
    reasons: [],
    problems: [],
    warnings: [],
    mode: 'off',
  });
});

t.test('a command that cannot be read', async (t) => {
  const hidden = (spec: object, more: object = {}) =>
    expandPod(
      podWith(engine([], { command: ['/start.sh'], resources: { limits: { 'nvidia.com/gpu': 1 } }, ...more }), spec),
      context,
    );
  t.same(hidden({}).warnings, []);
  t.equal(hidden({ hostNetwork: true }).warnings.length, 1);
  t.same(
    hidden({ hostNetwork: true }, { ports: [{ containerPort: 1 }] }).warnings,
    [],
    'the user declared what it opens',
  );
  t.same(
    expandPod(podWith(engine(nixl), { hostNetwork: true }), context).warnings,
    [],
    'a command that can be read tells its ports',
  );
  t.equal(hidden({}).object.spec.containers[0]?.lifecycle, undefined, 'nobody knows what to wait for');
});

t.test('the pin is told once: in mode template when the serving is applied, in mode pods with each pod', async (t) => {
  const warned = (mode: string) => {
    const sample = sampleServing('terse-gpu');
    const pinned = {
      ...sample,
      metadata: {
        ...sample.metadata,
        annotations: {
          ...sample.metadata.annotations,
          'tandem.dev/expand': mode,
          'tandem.dev/profiles': 'nixl@000000000000',
        },
      },
    };
    return [
      expandServing(pinned, profiles, settings).warnings.length,
      expandPod(podWith(engine(nixl)), { ...context, serving: pinned }).warnings.length,
    ];
  };
  t.same(warned('template'), [1, 0]);
  t.same(warned('pods'), [1, 1]);
});

t.test('mode pods gives each role its own block of host ports', async (t) => {
  const role = (name: string, port: number) => ({
    name,
    entryTemplate: {
      spec: {
        hostNetwork: true,
        containers: [
          engine([
            'm',
            '--port',
            String(port),
            '--kv-transfer-config',
            config('NixlConnector', { kv_role: 'kv_both' }),
          ]),
        ],
      },
    },
  });
  const serving = servingOf(JSON.stringify([role('prefill', 8000), role('decode', 8100)]), {
    'tandem.dev/expand': 'pods',
  });
  const side = (name: string, index: number) => {
    const spec = serving.spec.template.roles[index]?.entryTemplate?.spec;
    const labels = { [roleLabel]: name, 'modelserving.volcano.sh/entry': 'true' };
    const { object } = expandPod({ metadata: { labels }, spec: spec as never }, { ...context, serving });
    return object.spec.containers[0]?.env?.find((one) => one.name === 'VLLM_NIXL_SIDE_CHANNEL_PORT')?.value;
  };
  t.same([side('prefill', 0), side('decode', 1), side('unknown', 1)], ['5600', '5800', '5600']);
});

t.test('a drain hook is read back by its order, and only when it is one', async (t) => {
  const order = { engineOf: 'pod' as const, port: 8000, metricsPath: '/m', seconds: 9, gauges: ['a', 'b'] };
  const command = drainHook(order).exec?.command ?? [];
  const read = (changed: readonly (string | undefined)[]) => readDrainHook({ exec: { command: changed as string[] } });
  t.same(read(command), order);
  t.same(readDrainHook(drainHook({ ...order, engineOf: 'entry' })), { ...order, engineOf: 'entry' });
  t.equal(read(['python', ...command.slice(1)]), undefined);
  t.equal(read([command[0], '-m', ...command.slice(2)]), undefined);
  t.equal(read([command[0], '-c', 'pass', ...command.slice(3)]), undefined);
  t.equal(read([]), undefined);
});
