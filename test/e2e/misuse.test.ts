/** What a careless user, a dying process and Kthena's narrower CRD get. */

import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { labels } from '../../src/api/names.js';
import { until } from '../../src/cli/demo/wait.js';
import type { RawObject } from '../../src/kube/client.js';
import { pods } from '../../src/kube/resources.js';
import { kthenaModelServingCrd } from '../build/kthena-crd.js';
import { locateControlPlane } from '../control-plane/locate.js';
import { type Cluster, lacking, openCluster } from './cluster.js';
import { podsOf, post, untilAvailable, untilNoPods, untilRouted } from './scenario.js';

const gpu = 'config/samples/gpu';
const npu = readFileSync('config/samples/npu/modelserving.yaml', 'utf8');
const model = 'Qwen/Qwen3-0.6B';

for (const backend of ['lab', 'real'] as const) {
  const missing = lacking(backend, backend === 'real' ? locateControlPlane() : undefined);
  t.test(
    `on ${backend === 'lab' ? 'the lab' : 'a real control plane'}`,
    { skip: missing ?? false, timeout: 300_000 },
    async (t) => {
      const cluster = await openCluster(backend);
      t.teardown(() => cluster.stop());
      await cluster.kubectl('create namespace dev');
      await manifests(t, cluster);
      await processes(t, cluster);
      await narrowerCrd(t, cluster);
    },
  );
}

async function manifests(t: Test, cluster: Cluster): Promise<void> {
  const serving = (
    change: (spec: { template: { roles: Record<string, unknown>[] } } & Record<string, unknown>) => void,
  ) => {
    const spec = {
      replicas: 1,
      template: {
        roles: [{ name: 'web', entryTemplate: { spec: { containers: [{ name: 'web', image: 'nginx' }] } } }],
      },
    };
    change(spec as never);
    return stringify({
      apiVersion: 'workload.serving.volcano.sh/v1alpha1',
      kind: 'ModelServing',
      metadata: { name: 'wrong' },
      spec,
    });
  };
  const cases: [string, string, RegExp][] = [
    ['broken YAML', 'kind: [', /error parsing|error converting YAML|did not find expected/],
    ['an unknown field', serving((spec) => Object.assign(spec, { replicaz: 1 })), /unknown field "spec\.replicaz"/],
    ['a wrong type', serving((spec) => Object.assign(spec, { replicas: 'many' })), /spec\.replicas/],
    [
      'a role name that no pod can carry',
      serving((spec) => Object.assign(spec.template.roles[0] ?? {}, { name: 'Web_1' })),
      /spec\.template\.roles\[0\]\.name/,
    ],
    [
      'two roles of one name',
      serving((spec) => spec.template.roles.push(spec.template.roles[0] ?? {})),
      /roles name must be unique/,
    ],
    [
      'workers without a template',
      serving((spec) => Object.assign(spec.template.roles[0] ?? {}, { workerReplicas: 1 })),
      /workerTemplate/,
    ],
  ];
  for (const [title, input, expected] of cases) {
    await t.test(`${title} is refused with the field`, async (t) => {
      const { code, stderr } = await cluster.kubectl('apply -f -', input);
      t.not(code, 0);
      t.match(stderr, expected);
      t.notMatch(stderr, /\.ts:\d+|\.js:\d+/, 'no stack of ours');
    });
  }
  await t.test('a plain nginx role is stored as it was written', async (t) => {
    await cluster.kubectl(
      'apply -f -',
      serving(() => undefined),
    );
    const { stdout } = await cluster.kubectl('get modelserving wrong -o json');
    const { spec } = JSON.parse(stdout) as { spec: { template: { roles: { entryTemplate: unknown }[] } } };
    t.same(spec.template.roles[0]?.entryTemplate, { spec: { containers: [{ name: 'web', image: 'nginx' }] } });
    await cluster.kubectl('delete modelserving wrong');
    await untilNoPods(cluster, 'wrong');
  });
}

async function processes(t: Test, cluster: Cluster): Promise<void> {
  await t.test('with the webhook dead, apply fails in words and stores nothing; alive again, it works', async (t) => {
    await cluster.lab.stopPart('webhook');
    const refused = await cluster.kubectl(`apply -f ${gpu}/modelserving.yaml`);
    t.not(refused.code, 0);
    t.match(refused.stderr, /failed calling webhook/);
    t.match((await cluster.kubectl('get modelserving vllm-qwen-06b')).stderr, /NotFound/);
    await cluster.lab.startPart('webhook');
    t.equal((await cluster.kubectl(`apply -f ${gpu}`)).code, 0);
    await untilAvailable(cluster, 'default', 'vllm-qwen-06b');
  });

  await t.test('with the extender dead, pods are scheduled all the same', async (t) => {
    await cluster.lab.stopPart('extender');
    t.equal((await cluster.kubectl('scale modelserving vllm-qwen-06b --replicas=2')).code, 0);
    await untilAvailable(cluster, 'default', 'vllm-qwen-06b');
    t.equal((await podsOf(cluster, 'default', 'vllm-qwen-06b')).length, 4);
    await cluster.lab.startPart('extender');
  });

  await t.test(
    'a controller killed while scaling finishes after its restart, and touches no running pod',
    async (t) => {
      const before = new Set((await podsOf(cluster, 'default', 'vllm-qwen-06b')).map(({ metadata }) => metadata.uid));
      await cluster.lab.stopPart('controller');
      await cluster.kubectl('scale modelserving vllm-qwen-06b --replicas=3');
      await cluster.lab.startPart('controller');
      await untilAvailable(cluster, 'default', 'vllm-qwen-06b');
      const after = await podsOf(cluster, 'default', 'vllm-qwen-06b');
      t.equal(after.length, 6);
      t.equal(after.filter(({ metadata }) => before.has(metadata.uid)).length, 4, 'the old four are the same pods');
    },
  );

  await t.test('a deleted pod comes back under its name', async () => {
    const name = 'vllm-qwen-06b-2-decode-0-0';
    const old = (await podsOf(cluster, 'default', 'vllm-qwen-06b')).find(({ metadata }) => metadata.name === name);
    await cluster.kubectl(`delete pod ${name} --wait=false`);
    const live = cluster.watch<RawObject>(pods);
    const isNew = () => {
      const uid = live.get('default', name)?.metadata.uid;
      return uid !== undefined && uid !== old?.metadata.uid;
    };
    await until(live, isNew, AbortSignal.timeout(60_000));
    await untilAvailable(cluster, 'default', 'vllm-qwen-06b');
  });

  await t.test('an unknown model and a model without pods are told apart', async (t) => {
    await untilRouted(cluster, model);
    t.match(await post(cluster, '/v1/chat/completions', { model: 'gpt-9', messages: [] }), {
      status: 404,
      body: { error: { code: String } },
    });
    await cluster.kubectl('scale modelserving vllm-qwen-06b --replicas=0');
    await untilNoPods(cluster, 'vllm-qwen-06b');
    const { status, body } = await post(cluster, '/v1/chat/completions', {
      model,
      messages: [{ role: 'user', content: 'x' }],
    });
    t.equal(status, 503);
    t.match(body, { error: { message: /Qwen/ } });
    await cluster.kubectl(`delete -f ${gpu}`);
  });
}

async function narrowerCrd(t: Test, cluster: Cluster): Promise<void> {
  await t.test("Kthena's own CRD", async (t) => {
    const { code, stderr } = await cluster.kubectl(
      'apply -f - --server-side --force-conflicts',
      JSON.stringify(kthenaModelServingCrd()),
    );
    t.equal(code, 0, stderr);
    const unexpanded = npu.replace('metadata:\n', 'metadata:\n  annotations: { tandem.dev/expand: "off" }\n');
    await t.test('refuses the NPU document where admission may not complete it', async (t) => {
      await untilNarrow(cluster, unexpanded);
      t.match((await cluster.kubectl('apply -f -', unexpanded)).stderr, /workerReplicas: Required value/);
    });
    await t.test('accepts it once admission has completed it, and it runs', async (t) => {
      const applied = await cluster.kubectl('apply -f -', npu);
      t.equal(applied.code, 0, applied.stderr);
      await untilAvailable(cluster, 'dev', 'deepseek-v2-lite');
      await cluster.kubectl('delete -f -', npu);
      const left = cluster.watch<RawObject>(pods);
      await until(
        left,
        () => left.list().every(({ metadata }) => metadata.labels?.[labels.name] !== 'deepseek-v2-lite'),
        AbortSignal.timeout(60_000),
      );
    });
  });
}

/** A changed CRD is served a moment after it is stored. */
async function untilNarrow(cluster: Cluster, manifest: string): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    if ((await cluster.kubectl('apply --dry-run=server -f -', manifest)).code !== 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
