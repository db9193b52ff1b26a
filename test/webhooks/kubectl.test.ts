/** What people and machines do with kubectl while admission works, rotates, dies and has neighbours; on a real API server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { modelServings } from '../../src/api/resources.js';
import type { ModelServing } from '../../src/api/types.js';
import type { Clock } from '../../src/base/clock.js';
import { createAuthority, issueServing } from '../../src/certs/authority.js';
import { defaultRotation, validityFrom } from '../../src/certs/rotate.js';
import type { RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { crds, mutatingWebhooks, pods } from '../../src/kube/resources.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { startWebhook } from '../../webhooks/start.js';
import { kthenaModelServingCrd } from '../build/kthena-crd.js';
import { locateControlPlane, missingControlPlane } from '../control-plane/locate.js';
import { startControlPlane } from '../control-plane/start.js';
import { run } from '../e2e/kubectl.js';

const day = 86_400_000;
const crdFiles = ['modelservings.workload', 'modelservers.networking', 'modelroutes.networking'].map(
  (name) => `config/crd/${name}.serving.volcano.sh.yaml`,
);
const samples = [
  'gpu/modelserving',
  'gpu/modelserver',
  'gpu/modelroute',
  'npu/modelserving',
  'npu/modelserver',
  'npu/modelroute',
  'terse-gpu',
  'terse-gpu-route',
  'terse-npu',
  'terse-npu-route',
].map((name) => `config/samples/${name}.yaml`);
const gpu = 'config/samples/gpu/modelserving.yaml';

async function eventually<T>(t: Test, what: string, look: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.fail(`${what} did not happen`);
  return undefined;
}

const serving = (name: string, spec: object) => ({
  apiVersion: 'workload.serving.volcano.sh/v1alpha1',
  kind: 'ModelServing',
  metadata: { name },
  spec: { schedulerName: 'default-scheduler', ...spec },
});
const nginx = { spec: { containers: [{ name: 'nginx', image: 'nginx' }] } };
const role = (more: object = {}) => ({ name: 'web', entryTemplate: nginx, workerReplicas: 0, ...more });
const roles = (...some: object[]) => ({ template: { roles: some } });
const modelServer = (workloadSelector: object) => ({
  apiVersion: 'networking.serving.volcano.sh/v1alpha1',
  kind: 'ModelServer',
  metadata: { name: 'x' },
  spec: { inferenceEngine: 'vLLM', workloadPort: { port: 8000 }, workloadSelector },
});
const pdGroup = { groupKey: 'k', prefillLabels: { a: 'b' }, decodeLabels: { a: 'c' } };
const rolling = { maxUnavailable: 1 };

/** By Kthena's own validator (kthena-workload 4.2, kthena-router 1.4). */
const accepted: Readonly<Record<string, object>> = {
  'no workers, no template': serving('a', roles(role())),
  'workers with a template': serving('a', roles(role({ workerReplicas: 2, workerTemplate: nginx }))),
  'the terse form with workers': serving('a', roles({ name: 'prefill', workerReplicas: 1, entryTemplate: {} })),
  'no replicas at all': serving('a', { replicas: 0, ...roles(role({ replicas: 0 })) }),
  'roles one by one': serving('a', { rolloutStrategy: { type: 'RoleRollingUpdate' }, ...roles(role()) }),
  'groups with a configuration': serving('a', {
    rolloutStrategy: { type: 'ServingGroupRollingUpdate', rollingUpdateConfiguration: rolling },
    recoveryPolicy: 'ServingGroupRecreate',
    ...roles(role()),
  }),
  'a configuration without a type': serving('a', {
    rolloutStrategy: { rollingUpdateConfiguration: rolling },
    ...roles(role()),
  }),
  'a gang of none': serving('a', { template: { gangPolicy: { minRoleReplicas: { web: 0 } }, roles: [role()] } }),
  'a selector without a pdGroup': modelServer({ matchLabels: { a: 'b' } }),
  'a whole pdGroup': modelServer({ matchLabels: { a: 'b' }, pdGroup }),
};
const refused: Readonly<Record<string, readonly [object, RegExp]>> = {
  'workers without a template': [serving('a', roles(role({ workerReplicas: 1 }))), /workerTemplate is required when/],
  'negative replicas': [serving('a', { replicas: -1, ...roles(role()) }), /spec\.replicas: .*must not be negative/],
  'negative role replicas': [
    serving('a', roles(role({ replicas: -1 }))),
    /roles\[0\]\.replicas: .*must not be negative/,
  ],
  'negative workers': [serving('a', roles(role({ workerReplicas: -1 }))), /must not be negative/],
  'a negative gang': [
    serving('a', { template: { gangPolicy: { minRoleReplicas: { web: -1 } }, roles: [role()] } }),
    /must not be negative/,
  ],
  'a group configuration for roles': [
    serving('a', {
      rolloutStrategy: { type: 'RoleRollingUpdate', rollingUpdateConfiguration: rolling },
      ...roles(role()),
    }),
    /rollingUpdateConfiguration is only valid when/,
  ],
  'recovery of groups with a rollout of roles': [
    serving('a', {
      recoveryPolicy: 'ServingGroupRecreate',
      rolloutStrategy: { type: 'RoleRollingUpdate' },
      ...roles(role()),
    }),
    /ServingGroupRecreate cannot be used with/,
  ],
  'no labels': [modelServer({ matchLabels: {} }), /matchLabels must not be empty/],
  'no selector': [modelServer({ pdGroup }), /matchLabels must not be empty/],
  'no prefill labels': [
    modelServer({ matchLabels: { a: 'b' }, pdGroup: { ...pdGroup, prefillLabels: {} } }),
    /prefillLabels must not be empty/,
  ],
  'no group key': [
    modelServer({ matchLabels: { a: 'b' }, pdGroup: { ...pdGroup, groupKey: '' } }),
    /groupKey must not be empty/,
  ],
};

interface Configuration extends RawObject {
  readonly webhooks: { readonly clientConfig: { readonly caBundle: string } }[];
}

t.setTimeout(300_000);
t.test('kubectl on a real API server', { skip: locateControlPlane() ? false : missingControlPlane }, async (t) => {
  const abort = new AbortController();
  const plane = await startControlPlane({ signal: abort.signal });
  if (!plane) throw new Error(missingControlPlane);
  t.teardown(async () => {
    abort.abort();
    await plane.stop();
  });
  const env = { KUBECONFIG: plane.kubeconfig, HOME: plane.folder };
  const kubectl = (args: string, input?: string, more: NodeJS.ProcessEnv = {}) =>
    run(plane.programs.kubectl ?? 'kubectl', args.split(' '), {
      env: { ...env, ...more },
      ...(input !== undefined && { input }),
    });
  const connection = await loadConnection({ file: plane.kubeconfig, env: {} });
  const client = connectCluster(connection, { signal: abort.signal, userAgent: 'test' });
  for (const file of crdFiles) {
    const [document] = parseAllDocuments(await readFile(file, 'utf8'));
    await client.create(crds, document?.toJS() as RawObject);
  }
  await eventually(t, 'serving the CRDs', async () =>
    (await kubectl('get modelservings,modelservers,modelroutes -A')).code === 0 ? true : undefined,
  );
  await kubectl('create namespace dev');

  await t.test(
    'without admission the CRDs alone refuse what Kthena refuses, and nothing that it accepts',
    async (t) => {
      for (const [name, object] of Object.entries(accepted)) {
        const { code, stderr } = await kubectl('create --dry-run=server -f -', JSON.stringify(object));
        t.equal(code, 0, `${name} ${stderr}`);
      }
      for (const [name, [object, message]] of Object.entries(refused)) {
        const { code, stderr } = await kubectl('create --dry-run=server -f -', JSON.stringify(object));
        t.equal(code, 1, name);
        t.match(stderr, message);
      }
    },
  );

  // TLS knows the real time only, so the 50 days that pass here end now and every certificate is valid all along.
  let now = Date.now() - 50 * day;
  const clock: Clock = { now: () => now };
  const webhook = await startWebhook(
    {
      client,
      listen: { host: '127.0.0.1', port: 0 },
      url: 'https://127.0.0.1:0',
      profiles: await loadProfiles(),
      logger: silentLogger,
      metrics: new Metrics(),
      clock,
      rotation: { ...defaultRotation, authorityLifetime: 60 * day, servingLifetime: 55 * day },
      renewEvery: 50,
    },
    abort.signal,
  );
  await webhook.ready;
  const works = () =>
    eventually(t, 'an expansion', async () =>
      (await kubectl(`apply --dry-run=server -o json -f ${gpu}`)).stdout.includes('tandem.dev/expanded')
        ? true
        : undefined,
    );
  await works();

  await t.test('every sample: dry run, apply, apply again, server-side apply, diff', async (t) => {
    for (const file of samples) {
      t.equal((await kubectl(`apply --dry-run=server -f ${file}`)).code, 0, `dry run of ${file}`);
      const first = await kubectl(`apply -f ${file}`);
      t.equal(first.code, 0, first.stderr);
      t.match((await kubectl(`apply -f ${file}`)).stdout, /unchanged|configured/, 'again');
      const generations = async () => (await kubectl(`get -f ${file} -o jsonpath={..metadata.generation}`)).stdout;
      const before = await generations();
      for (const how of ['--server-side --force-conflicts ', '']) {
        const again = await kubectl(`apply ${how}-f ${file}`);
        t.equal(again.code, 0, again.stderr);
        const { code, stdout, stderr } = await kubectl(`diff ${how}-f ${file}`);
        t.equal(code, 0, `diff ${how}-f ${file} ${stdout}${stderr}`);
      }
      t.equal(await generations(), before, `${file} keeps its generation`);
    }
  });

  await t.test('edit and scale', async (t) => {
    const editor = join(plane.folder, 'editor.sh');
    await writeFile(
      editor,
      '#!/bin/sh\nsed -i "s/restartGracePeriodSeconds: .*/restartGracePeriodSeconds: 90/" "$1"\n',
      {
        mode: 0o755,
      },
    );
    const edited = await kubectl('edit modelserving vllm-qwen-06b', undefined, { KUBE_EDITOR: editor, TERM: 'dumb' });
    t.equal(edited.code, 0, edited.stderr);
    const field = '-o jsonpath={.spec.template.restartGracePeriodSeconds}';
    t.equal((await kubectl(`get modelserving vllm-qwen-06b ${field}`)).stdout, '90');
    // kubectl opens the editor a second time, with the reason as a comment on top.
    const seen = join(plane.folder, 'seen');
    const script = `#!/bin/sh\ncat "$1" >> ${seen}\nsed -i "s/^  replicas: 1/  replicas: -1/" "$1"\n`;
    await writeFile(editor, script, { mode: 0o755 });
    const wrong = await kubectl('edit modelserving vllm-qwen-06b', undefined, { KUBE_EDITOR: editor, TERM: 'dumb' });
    t.equal(wrong.code, 1);
    t.match(await readFile(seen, 'utf8'), /^# .*spec\.replicas: .*must not be negative/m);
    t.equal((await kubectl('scale modelserving vllm-qwen-06b --replicas=4')).code, 0);
    t.equal((await kubectl('get modelserving vllm-qwen-06b -o jsonpath={.spec.replicas}')).stdout, '4');
    t.equal((await kubectl('scale modelserving vllm-qwen-06b --replicas=4 --dry-run=server')).code, 0);
  });

  await t.test('not one apply of a stream fails while certificate and CA rotate', async (t) => {
    const bundles = new Set<string>();
    const state = { done: false, applied: 0 };
    const failures: string[] = [];
    const stream = async (lane: number) => {
      const text = (await readFile(gpu, 'utf8')).replace('name: vllm-qwen-06b', `name: stream-${lane}`);
      for (let i = 0; !state.done; i++) {
        const grace = text.replace(/restartGracePeriodSeconds: \d+/, `restartGracePeriodSeconds: ${i + 1}`);
        const { code, stderr } = await kubectl('apply -f -', grace);
        if (code !== 0) failures.push(stderr);
        state.applied++;
      }
    };
    const lanes = [stream(0), stream(1)];
    const applies = async (count: number) => {
      const goal = state.applied + count;
      await eventually(t, 'more applies', async () => (state.applied >= goal ? true : undefined));
    };
    for (const step of [0, 37 * day, 4 * day, day / 24, day]) {
      now += step;
      await applies(8);
      const { webhooks } = await client.get<Configuration>(mutatingWebhooks, { name: 'tandem' });
      bundles.add(webhooks[0]?.clientConfig.caBundle ?? '');
    }
    state.done = true;
    await Promise.all(lanes);
    t.strictSame(failures, [], `${state.applied} applies`);
    t.ok(bundles.size >= 2, 'the bundle grew by the new CA');
  });

  await t.test('another mutating webhook changes nothing about the outcome, before or after ours', async (t) => {
    const validity = validityFrom(Date.now(), day, defaultRotation);
    const ca = await createAuthority('neighbour', validity);
    const { certificate, key } = await issueServing(ca, { hosts: ['127.0.0.1'], validity });
    const neighbour = createServer({ cert: certificate, key }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => response.end(addSidecar(Buffer.concat(chunks).toString())));
    });
    neighbour.listen(0, '127.0.0.1');
    await once(neighbour, 'listening');
    t.teardown(() => neighbour.close());
    const { port } = neighbour.address() as AddressInfo;
    const outcome = async (name: string) => {
      await client.create(mutatingWebhooks, neighbourAt(`https://127.0.0.1:${port}`, name, ca.certificate));
      const seen = await eventually(t, `the sidecar by ${name}`, async () => {
        const { stdout } = await kubectl(`create --dry-run=server -o json -f -`, fresh);
        return stdout.includes('"sidecar"') ? (JSON.parse(stdout) as RawObject & { spec: unknown }) : undefined;
      });
      await client.delete(mutatingWebhooks, { name });
      await eventually(t, 'the neighbour is gone', async () =>
        (await kubectl(`create --dry-run=server -o json -f -`, fresh)).stdout.includes('"sidecar"') ? undefined : true,
      );
      return { spec: byName(seen?.spec), profiles: seen?.metadata.annotations?.['tandem.dev/profiles'] };
    };
    const fresh = (await readFile(gpu, 'utf8')).replace('name: vllm-qwen-06b', 'name: neighboured');
    const before = await outcome('a-neighbour');
    const after = await outcome('z-neighbour');
    t.match(JSON.stringify(before.spec), /"startupProbe"/);
    t.strictSame(before, after);
  });

  await t.test(
    'every engine with every connector: the terse form is stored, and its pods are what an API server takes',
    async (t) => {
      const where = { namespace: 'default' };
      const { engines, connectors } = await loadProfiles();
      for (const connector of connectors) {
        for (const engine of engines.filter(({ name }) => connector.engines.includes(name))) {
          const name = `${engine.name}-${connector.name}`;
          const accelerator = /ascend/.test(name) ? 'ascend910' : 'nvidia';
          const annotations = {
            'tandem.dev/model': 'Qwen/Qwen3-0.6B',
            'tandem.dev/engine': engine.name,
            'tandem.dev/connector': connector.name,
            'tandem.dev/accelerator': accelerator,
          };
          const sides = ['prefill', 'decode'].map((side) => ({ name: side, entryTemplate: {} }));
          const terse = { ...serving(name, roles(...sides)), metadata: { name, annotations } };
          const stored = await client
            .create<ModelServing & RawObject>(modelServings, terse as unknown as ModelServing & RawObject, where)
            .catch((error: unknown) => t.fail(`${name}: ${String(error)}`));
          for (const { name: side, entryTemplate } of typeof stored === 'object' ? stored.spec.template.roles : []) {
            const pod = {
              apiVersion: 'v1',
              kind: 'Pod',
              metadata: { name: `${name}-0-${side}-0-0`, ...entryTemplate.metadata, labels: podLabels(name, side) },
              spec: entryTemplate.spec,
            };
            const made = await client.create<RawObject>(pods, pod, where, { dryRun: true });
            t.match(made.metadata.labels, { 'tandem.dev/dialect': connector.dialect }, `${name} ${side}`);
          }
        }
      }
    },
  );

  await t.test("with Kthena's own CRD the document that it refuses is accepted", async (t) => {
    const own = await client.get(crds, { name: 'modelservings.workload.serving.volcano.sh' });
    const { metadata, ...kthena } = kthenaModelServingCrd() as unknown as RawObject;
    const { resourceVersion = '' } = own.metadata;
    await client.update(crds, { ...kthena, metadata: { ...metadata, resourceVersion } } as RawObject);
    const npu = await readFile('config/samples/npu/modelserving.yaml', 'utf8');
    const { code, stderr } = await kubectl('apply -f -', npu.replaceAll('deepseek-v2-lite', 'by-kthena'));
    t.equal(code, 0, stderr);
    for (const file of ['gpu/modelserving', 'terse-gpu', 'terse-npu']) {
      const again = await kubectl(`apply -f config/samples/${file}.yaml`);
      t.equal(again.code, 0, again.stderr);
    }
    const workers = '-o jsonpath={.spec.template.roles[*].workerReplicas}';
    t.equal((await kubectl(`get modelserving by-kthena -n dev ${workers}`)).stdout, '0 0');
  });

  await t.test('killed, it refuses by name; started again, it works without any repair by hand', async (t) => {
    await webhook.stop();
    const children: ChildProcess[] = [];
    t.teardown(() => children.forEach((child) => void child.kill('SIGKILL')));
    const start = async (port: number) => {
      const args = ['webhook', '--listen', `127.0.0.1:${port}`, '--url', `https://127.0.0.1:${port}`];
      const child = spawn(process.execPath, ['dist/src/cli/main.js', ...args, '--kubeconfig', plane.kubeconfig], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      children.push(child);
      return child;
    };
    const port = webhook.address?.port ?? 0;
    const first = await start(port);
    await works();
    first.kill('SIGKILL');
    await once(first, 'exit');
    const text = (await readFile(gpu, 'utf8')).replace('name: vllm-qwen-06b', 'name: orphan');
    t.match((await kubectl('apply -f -', text)).stderr, /failed calling webhook "modelservings\.expand\.tandem\.dev"/);
    t.equal((await kubectl('delete modelserving stream-0')).code, 0, 'deleting works');
    await start(port);
    await works();
    t.equal((await kubectl('apply -f -', text)).code, 0);
  });
});

const podLabels = (name: string, side: string) => ({
  'modelserving.volcano.sh/name': name,
  'modelserving.volcano.sh/group-name': `${name}-0`,
  'modelserving.volcano.sh/role': side,
  'modelserving.volcano.sh/role-id': `${side}-0`,
  'modelserving.volcano.sh/entry': 'true',
});

interface Named {
  readonly name?: string;
}

/** The same with every list of named things in the order of their names. */
function byName(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(byName);
    const isNamed = items.every((item) => typeof (item as Named | null)?.name === 'string');
    return isNamed ? items.sort((a, b) => ((a as Named).name ?? '').localeCompare((b as Named).name ?? '')) : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, byName(item)]));
}

const sidecar = { name: 'sidecar', image: 'envoy', env: [{ name: 'MODE', value: 'mesh' }] };

/** Puts a sidecar in front of the containers of each role that has none, as a service mesh does. */
function addSidecar(body: string): string {
  const { request } = JSON.parse(body) as {
    request: { uid: string; object: { spec: { template: { roles: { entryTemplate: { spec: object } }[] } } } };
  };
  const patch = request.object.spec.template.roles.flatMap((one, i) => {
    const { containers = [] } = one.entryTemplate.spec as { containers?: Named[] };
    if (containers.some(({ name }) => name === 'sidecar')) return [];
    return [{ op: 'add', path: `/spec/template/roles/${i}/entryTemplate/spec/containers/0`, value: sidecar }];
  });
  const response = {
    uid: request.uid,
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
  };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
}

const neighbourAt = (url: string, name: string, ca: string): RawObject =>
  ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: 'sidecar.example.com',
        clientConfig: { url, caBundle: Buffer.from(ca).toString('base64') },
        rules: [
          {
            apiGroups: ['workload.serving.volcano.sh'],
            apiVersions: ['v1alpha1'],
            resources: ['modelservings'],
            operations: ['CREATE', 'UPDATE'],
          },
        ],
        failurePolicy: 'Fail',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  }) as unknown as RawObject;
