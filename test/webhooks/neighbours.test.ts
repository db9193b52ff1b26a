/** Another mutating webhook beside ours, called before or after it, for ModelServings and for pods; on a real API server. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { labels } from '../../src/api/names.js';
import { createAuthority, issueServing } from '../../src/certs/authority.js';
import { defaultRotation, validityFrom } from '../../src/certs/rotate.js';
import type { RawObject } from '../../src/kube/client.js';
import { mutatingWebhooks } from '../../src/kube/resources.js';
import { type ApiServer, eventually, needsControlPlane, sample, startAdmission, startApiServer } from './admission.js';

t.setTimeout(180_000);
t.test('another mutating webhook on a real API server', needsControlPlane, async (t) => {
  const api = await startApiServer(t);
  await startAdmission(t, api);
  const meet = await startNeighbour(t);
  const gpu = await readFile(sample('gpu/modelserving'), 'utf8');

  await t.test('changes nothing about the outcome for a ModelServing, before or after ours', async (t) => {
    const fresh = gpu.replace('name: vllm-qwen-06b', 'name: neighboured');
    const before = await outcome(t, api, fresh, meet('a-neighbour', 'modelservings'));
    const after = await outcome(t, api, fresh, meet('z-neighbour', 'modelservings'));
    t.match(JSON.stringify(before), /"startupProbe".*"sidecar"|"sidecar".*"startupProbe"/);
    t.strictSame(before, after);
  });

  for (const mode of ['template', 'pods']) {
    await t.test(`changes nothing about the outcome for a pod in mode ${mode}, before or after ours`, async (t) => {
      const name = `in-mode-${mode}`;
      const written = gpu
        .replace('name: vllm-qwen-06b', `name: ${name}\n  annotations: {tandem.dev/expand: ${mode}}`)
        .replace('schedulerName: volcano', 'schedulerName: default-scheduler');
      const applied = await api.kubectl('apply -o json -f -', written);
      t.equal(applied.code, 0, applied.stderr);
      const pod = JSON.stringify(podOf(name, JSON.parse(applied.stdout)));
      const before = await outcome(t, api, pod, meet('a-neighbour', 'pods'));
      const after = await outcome(t, api, pod, meet('z-neighbour', 'pods'));
      const said = JSON.stringify(before);
      for (const made of ['"preStop"', '"startupProbe"', 'tandem.dev/kv-fingerprint', '"sidecar"']) t.match(said, made);
      t.strictSame(before, after);
    });
  }
});

interface Owned extends RawObject {
  readonly spec: { readonly template: { readonly roles: { entryTemplate: { spec: object } }[] } };
}

/** The entry pod of the first role, as a controller creates it. */
function podOf(serving: string, { spec }: Owned): RawObject {
  const metadata = {
    name: `${serving}-0-prefill-0-0`,
    namespace: 'default',
    labels: {
      [labels.name]: serving,
      [labels.groupName]: `${serving}-0`,
      [labels.role]: 'prefill',
      [labels.roleId]: 'prefill-0',
      [labels.entry]: 'true',
    },
  };
  const template = spec.template.roles[0]?.entryTemplate;
  return { apiVersion: 'v1', kind: 'Pod', metadata, ...template, spec: { ...template?.spec } } as RawObject;
}

/** What comes out of a creation that nothing keeps, with the neighbour in place; it is gone afterwards. */
async function outcome(t: Test, { client, kubectl }: ApiServer, object: string, neighbour: RawObject) {
  const create = async () => (await kubectl('create --dry-run=server -o json -f -', object)).stdout;
  const { name = '' } = neighbour.metadata;
  await client.create(mutatingWebhooks, neighbour);
  const seen = await eventually(t, `the sidecar by ${name}`, async () => {
    const stdout = await create();
    return stdout.includes('"sidecar"') ? (JSON.parse(stdout) as RawObject & { spec: unknown }) : undefined;
  });
  await client.delete(mutatingWebhooks, { name });
  await eventually(t, 'the neighbour is gone', async () => ((await create()).includes('"sidecar"') ? undefined : true));
  const { labels: own, annotations } = seen?.metadata ?? {};
  return { spec: byName(seen?.spec), labels: own, profiles: annotations?.['tandem.dev/profiles'] };
}

/** A server that puts a sidecar into pods; the answer makes its configuration under a name, which decides when it is called. */
async function startNeighbour(t: Test): Promise<(name: string, resource: 'modelservings' | 'pods') => RawObject> {
  const validity = validityFrom(Date.now(), 86_400_000, defaultRotation);
  const ca = await createAuthority('neighbour', validity);
  const { certificate, key } = await issueServing(ca, { hosts: ['127.0.0.1'], validity });
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => response.end(addSidecar(Buffer.concat(chunks).toString())));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const groups = { modelservings: ['workload.serving.volcano.sh', 'v1alpha1'], pods: ['', 'v1'] } as const;
  return (name, resource) => {
    const [group, version] = groups[resource];
    const operations = ['CREATE', 'UPDATE'];
    const webhook = {
      name: 'sidecar.example.com',
      clientConfig: { url, caBundle: Buffer.from(ca.certificate).toString('base64') },
      rules: [{ apiGroups: [group], apiVersions: [version], resources: [resource], operations }],
      failurePolicy: 'Fail',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    };
    const apiVersion = 'admissionregistration.k8s.io/v1';
    return { apiVersion, kind: 'MutatingWebhookConfiguration', metadata: { name }, webhooks: [webhook] } as RawObject;
  };
}

interface Named {
  readonly name?: string;
}
interface Reviewed {
  readonly request: {
    readonly uid: string;
    readonly object: {
      readonly spec: {
        containers?: Named[];
        template?: { roles: { entryTemplate: { spec: { containers?: Named[] } } }[] };
      };
    };
  };
}

const sidecar = { name: 'sidecar', image: 'envoy', env: [{ name: 'MODE', value: 'mesh' }] };

/** Puts a sidecar in front of the containers of a pod, or of each role, that has none: as a service mesh does. */
function addSidecar(body: string): string {
  const { uid, object } = (JSON.parse(body) as Reviewed).request;
  const { template, containers = [] } = object.spec;
  const lists = template
    ? template.roles.map(({ entryTemplate }, i) => ({
        at: `/spec/template/roles/${i}/entryTemplate/spec/containers/0`,
        containers: entryTemplate.spec.containers ?? [],
      }))
    : [{ at: '/spec/containers/0', containers }];
  const patch = lists
    .filter((list) => !list.containers.some(({ name }) => name === 'sidecar'))
    .map(({ at }) => ({ op: 'add', path: at, value: sidecar }));
  const encoded = Buffer.from(JSON.stringify(patch)).toString('base64');
  const response = { uid, allowed: true, patchType: 'JSONPatch', patch: encoded };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
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
