/** Admission in front of a real kube-apiserver, with kubectl: what a user types and reads. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import type { RawObject } from '../../src/kube/client.js';
import { mutatingWebhooks, nodes, pods } from '../../src/kube/resources.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { eventually, needsControlPlane, sample, startAdmission, startApiServer } from './admission.js';

t.setTimeout(180_000);
t.test('with a real API server', needsControlPlane, async (t) => {
  const api = await startApiServer(t);
  const { client, kubectl } = api;
  const node = {
    metadata: { name: 'n1', labels: { 'topology.tandem.dev/leaf': 'l1', 'topology.kubernetes.io/zone': 'z1' } },
  };
  await client.create(nodes, { apiVersion: 'v1', kind: 'Node', ...node });
  const metrics = new Metrics();
  const webhook = await startAdmission(t, api, { metrics });

  await t.test('both documents are accepted as they are, with their defects as warnings', async (t) => {
    for (const [name, codes] of [
      ['gpu', ['TND-024', 'TND-047', 'TND-114']],
      ['npu', ['TND-015', 'TND-022', 'TND-026', 'TND-047', 'TND-114']],
    ] as const) {
      const { code, stderr, stdout } = await kubectl(`apply -f ${sample(`${name}/modelserving`)}`);
      t.equal(code, 0, stderr);
      t.match(stdout, /created/);
      for (const rule of codes) t.match(stderr, new RegExp(`^Warning: ${rule} spec\\.`, 'm'));
      const rest = await kubectl(`apply -f ${sample(`${name}/modelserver`)} -f ${sample(`${name}/modelroute`)}`);
      t.equal(rest.code, 0, rest.stderr);
      t.match(rest.stderr, /Warning: TND-067 spec\.trafficPolicy\.timeout: saw 10s, want 60s or more/);
    }
  });

  await t.test('applying the same file again changes nothing', async (t) => {
    const generation = async () =>
      (await kubectl('get modelserving vllm-qwen-06b -o jsonpath={.metadata.generation}')).stdout;
    const before = await generation();
    t.equal((await kubectl(`apply -f ${sample('gpu/modelserving')}`)).code, 0);
    t.equal(await generation(), before);
    t.equal((await kubectl(`apply --server-side --force-conflicts -f ${sample('gpu/modelserving')}`)).code, 0);
  });

  await t.test('the terse form is expanded', async (t) => {
    for (const name of ['terse-gpu', 'terse-npu']) {
      const { code, stderr } = await kubectl(`apply -f ${sample(name)}`);
      t.equal(code, 0, stderr);
    }
    const terse = await kubectl(
      'get modelservings -A -o jsonpath={range.items[*]}{.spec.template.roles[*].entryTemplate.spec.containers[*].image}{end}',
    );
    t.notMatch(terse.stdout, /^$/);
  });

  await t.test('what cannot work is refused with rule, place, reason and fix', async (t) => {
    const broken = (await readFile(sample('npu/modelserving'), 'utf8'))
      .replaceAll('deepseek-v2-lite', 'broken')
      .replaceAll('huawei.com/ascend-1980: "4"', 'huawei.com/ascend-1980: "1"');
    const { code, stderr } = await kubectl('apply -f -', broken);
    t.equal(code, 1);
    t.match(
      stderr,
      /TND-021 spec\.template\.roles\[0\].*saw 1, want at least 2, because .*; set huawei\.com\/ascend-1980 to 2/,
    );
    const skipped = broken.replace('name: broken', 'name: broken\n  annotations: {tandem.dev/skip-checks: TND-021}');
    t.equal((await kubectl('apply -f -', skipped)).code, 0, 'unless the rule is skipped');
  });

  await t.test('the scale subresource is validated too', async (t) => {
    t.equal((await kubectl('scale modelserving vllm-qwen-06b --replicas=3')).code, 0);
    await kubectl(`apply -f ${sample('gpu/modelserving')}`);
  });

  await t.test(
    'a pod of a ModelServing gets its identity, the scheduler that exists, and the topology of its node',
    async (t) => {
      const labels = { 'modelserving.volcano.sh/name': 'vllm-qwen-06b', 'modelserving.volcano.sh/role': 'prefill' };
      const serving = JSON.parse((await kubectl('get modelserving vllm-qwen-06b -o json')).stdout);
      const spec = { ...serving.spec.template.roles[0].entryTemplate.spec, schedulerName: 'volcano' };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'vllm-qwen-06b-0-prefill-0-0', labels }, spec };
      const { code, stderr } = await kubectl('create -f -', JSON.stringify(pod));
      t.equal(code, 0, stderr);
      t.match(stderr, /Warning: spec\.schedulerName volcano is replaced by default-scheduler/);
      const bind = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: pod.metadata.name },
        target: { kind: 'Node', name: 'n1' },
      };
      await client.request('POST', `/api/v1/namespaces/default/pods/${pod.metadata.name}/binding`, bind);
      const bound = await client.get<RawObject>(pods, { namespace: 'default', name: pod.metadata.name });
      t.match(bound.metadata.labels, {
        'tandem.dev/dialect': 'nixl-pull',
        'topology.tandem.dev/node': 'n1',
        'topology.tandem.dev/leaf': 'l1',
        'topology.tandem.dev/zone': 'z1',
      });
    },
  );

  await t.test('pods of others never travel to us', async (t) => {
    const seen = async () =>
      (await metrics.render()).split('\n').filter((line) => /^tandem_webhook_reviews_total/.test(line));
    const before = await seen();
    const foreign = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'nginx' },
      spec: { schedulerName: 'volcano', containers: [{ name: 'nginx', image: 'nginx' }] },
    };
    t.equal((await kubectl('create -f -', JSON.stringify(foreign))).stderr, '');
    const bind = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'nginx' },
      target: { kind: 'Node', name: 'n1' },
    };
    await client.request('POST', '/api/v1/namespaces/default/pods/nginx/binding', bind);
    const bound = await client.get<RawObject>(pods, { namespace: 'default', name: 'nginx' });
    t.notHas(bound.metadata.labels ?? {}, { 'topology.tandem.dev/node': 'n1' });
    t.ok(before.length > 0, 'pods of ours were seen');
    t.strictSame(await seen(), before);
  });

  await t.test('an edited or deleted configuration is repaired', async (t) => {
    await kubectl(
      'patch mutatingwebhookconfiguration tandem --type=json -p=[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":"bm8="}]',
    );
    const bundle = async () => {
      const live = await client.get<RawObject & { webhooks: { clientConfig: { caBundle: string } }[] }>(
        mutatingWebhooks,
        { name: 'tandem' },
      );
      return live.webhooks[0]?.clientConfig.caBundle;
    };
    await eventually(t, 'the repair', async () => ((await bundle()) === 'bm8=' ? undefined : true));
    await kubectl('delete validatingwebhookconfiguration tandem');
    await eventually(t, 'coming back', async () =>
      (await kubectl('get validatingwebhookconfiguration tandem')).code === 0 ? true : undefined,
    );
  });

  await t.test('while admission is down, a user reads why a write is refused', async (t) => {
    await webhook.stop();
    const labelled = await kubectl('label modelserving vllm-qwen-06b team=a');
    t.equal(labelled.code, 0, `what we do not judge does not wait for us: ${labelled.stderr}`);
    const fresh = (await readFile(sample('gpu/modelserving'), 'utf8')).replace('name: vllm-qwen-06b', 'name: another');
    t.match((await kubectl('apply -f -', fresh)).stderr, /failed calling webhook "modelservings\.expand\.tandem\.dev"/);
    t.equal((await kubectl('delete modelserving vllm-qwen-06b')).code, 0, 'deleting works');
  });
});
