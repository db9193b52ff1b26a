/**
 * Every recipe and sample on a real API server, as a ModelServing that our controller turns into pods: what is stored is
 * what the golden files say, whether the template is expanded or each pod.
 */
import { readFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import type { Container, Pod } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import { modelServings } from '../../src/api/resources.js';
import type { ModelServing } from '../../src/api/types.js';
import { startController } from '../../src/controller/start.js';
import { expandServing } from '../../src/core/expand/serving.js';
import { defaultExpandSettings } from '../../src/core/expand/types.js';
import { readPod } from '../../src/core/reading/pod.js';
import { readServing } from '../../src/core/reading/serving.js';
import type { RawObject } from '../../src/kube/client.js';
import { pods } from '../../src/kube/resources.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { type Recipe, settingsOf, terseOf } from '../core/expand/recipe.js';
import { recipes } from '../core/expand/recipe-table.js';
import { type ApiServer, eventually, needsControlPlane, sample, startAdmission, startApiServer } from './admission.js';

type Stored = ModelServing & RawObject;
type StoredPod = Pod & RawObject;
const profiles = await loadProfiles();
const where = { namespace: 'default' };

t.setTimeout(300_000);
t.test('pods that our controller creates', needsControlPlane, async (t) => {
  const api = await startApiServer(t);
  await startAdmission(t, api);
  const { client, signal } = api;
  const controller = await startController({ client, logger: silentLogger, metrics: new Metrics() }, signal);
  await controller.ready;

  await t.test('of every recipe are the same in both modes', async (t) => {
    const usual = Object.entries(recipes).filter(([, recipe]) => settingsOf(recipe) === defaultExpandSettings);
    for (const [name, recipe] of usual) {
      const { metadata, spec } = terseOf(recipe);
      const made = await Promise.all(
        ['template', 'pods'].map(async (mode) => {
          const own = `${name}-${mode[0]}`;
          await create(api, own, { ...metadata.annotations, 'tandem.dev/expand': mode }, spec);
          return podsOf(t, api, own);
        }),
      );
      const [whole = [], alone = []] = made.map(facts);
      t.ok(whole.length >= 2, `${name} has pods`);
      t.strictSame(whole, alone, name);
      for (const template of templatesOf(recipe)) {
        t.ok(
          whole.some((pod) => template.every((line) => pod.lines.includes(line))),
          `${name}: what the golden file says`,
        );
      }
      for (const mode of ['t', 'p']) await client.delete(modelServings, { ...where, name: `${name}-${mode}` });
    }
  });

  await t.test('in mode pods follow the annotations when they are rolled, and not before', async (t) => {
    const roles = [{ name: 'prefill', replicas: 1, workerReplicas: 0, entryTemplate: {} }];
    const rolloutStrategy = {
      type: 'ServingGroupRollingUpdate',
      rollingUpdateConfiguration: { partition: 1, maxUnavailable: 1 },
    } as const;
    const said = { 'tandem.dev/expand': 'pods', 'tandem.dev/model': 'org/old', 'tandem.dev/accelerator': 'nvidia' };
    await create(api, 'rolled', said, { replicas: 2, template: { roles }, rolloutStrategy });
    const models = async () => {
      const { items } = await client.list<StoredPod>(pods, { ...where, labelSelector: `${labels.name}=rolled` });
      const known = items.map((pod) => `${pod.metadata.name} ${readPod(pod, profiles)?.engine.servedNames.join()}`);
      return { uids: items.map(({ metadata }) => metadata.uid), text: known.sort().join('; ') };
    };
    const until = (text: string) =>
      eventually(t, text, async () => {
        const found = await models();
        return found.text === text ? found : undefined;
      });
    const first = await until('rolled-0-prefill-0-0 org/old; rolled-1-prefill-0-0 org/old');
    const annotations = { 'tandem.dev/model': 'org/new' };
    await client.patch(modelServings, { ...where, name: 'rolled' }, 'merge', { metadata: { annotations } });
    const half = await until('rolled-0-prefill-0-0 org/old; rolled-1-prefill-0-0 org/new');
    t.ok(first && half && first.uids.some((uid) => half.uids.includes(uid)), 'the protected group runs on');
    await client.delete(pods, { ...where, name: 'rolled-0-prefill-0-0' });
    await eventually(t, 'another pod in the protected group', async () => {
      const { text, uids } = await models();
      const fresh = uids.length === 2 && !uids.some((uid) => first?.uids.includes(uid));
      return fresh && text.startsWith('rolled-0-prefill-0-0 org/old;') ? true : undefined;
    });
    t.equal((await models()).text, 'rolled-0-prefill-0-0 org/old; rolled-1-prefill-0-0 org/new', 'as its group was');
    await client.delete(modelServings, { ...where, name: 'rolled' });
  });

  await t.test('of every sample have what the router and the kubelet need', async (t) => {
    for (const file of ['gpu/modelserving', 'npu/modelserving', 'terse-gpu', 'terse-npu']) {
      const [document] = parseAllDocuments(await readFile(sample(file), 'utf8'));
      const { spec, metadata } = (document?.toJS() ?? {}) as ModelServing;
      const name = `sample-${file.replace('/', '-')}`;
      await create(api, name, metadata.annotations ?? {}, spec);
      for (const pod of await podsOf(t, api, name)) {
        t.match(pod.metadata.labels, {
          'tandem.dev/dialect': 'nixl-pull',
          'tandem.dev/kv-fingerprint': /^[0-9a-f]{16}$/,
          [labels.entry]: 'true',
        });
        const { container } = readPod(pod, profiles) ?? {};
        t.ok(container?.lifecycle?.preStop, `${name} drains`);
        t.ok(container?.startupProbe, `${name} may load as long as it takes`);
        t.not(pod.spec.schedulerName, 'volcano', 'the scheduler is one that exists');
      }
    }
  });
});

/** This cluster has no Volcano, so nothing is told that only Volcano knows. */
const here = { ...defaultExpandSettings, schedulerNames: { volcano: 'default-scheduler' } };

/** Of each template of a recipe, as its golden file has it where Volcano is not needed: image, arguments, environment. */
function templatesOf(recipe: Recipe): readonly (readonly string[])[] {
  const { object } = expandServing(terseOf(recipe), profiles, here);
  return readServing(object, profiles).roles.flatMap(({ pod, worker }) =>
    [pod, worker].flatMap((one) => (one ? [linesOf(one.container)] : [])),
  );
}

const linesOf = ({ image, command = [], args = [], env = [] }: Container): readonly string[] => [
  `image ${image}`,
  `program ${[...command, ...args].join(' ')}`,
  ...env.map(({ name, value, valueFrom }) => `${name}=${value ?? `<${valueFrom?.fieldRef?.fieldPath}>`}`),
];

async function create({ client }: ApiServer, name: string, annotations: object, spec: ModelServing['spec']) {
  const metadata = { name, ...where, annotations };
  const object = { apiVersion: 'workload.serving.volcano.sh/v1alpha1', kind: 'ModelServing', metadata, spec };
  await client.create<Stored>(modelServings, object as unknown as Stored, where);
}

/** All pods of a serving of one group, when they are all there. */
async function podsOf(t: Test, { client }: ApiServer, name: string): Promise<readonly StoredPod[]> {
  const { spec } = await client.get<Stored>(modelServings, { ...where, name });
  const count = spec.template.roles.reduce(
    (sum, role) => sum + (role.replicas ?? 1) * (1 + (role.workerReplicas ?? 0)),
    0,
  );
  const found = await eventually(t, `${count} pods of ${name}`, async () => {
    const labelSelector = `${labels.name}=${name}`;
    const { items } = await client.list<StoredPod>(pods, { ...where, labelSelector });
    return items.length === count ? items : undefined;
  });
  return [...(found ?? [])].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
}

/** In the order of their names: who writes first differs, and what refers to another entry stands after it in both. */
function envOf(container: Container | undefined): readonly string[] {
  const written = (container?.env ?? []).map(({ name, value, valueFrom }) => {
    const said = value ?? `<${valueFrom?.fieldRef?.fieldPath}>`;
    return `${name}=${name === 'ENTRY_ADDRESS' ? said.replace(/^(.*)-[tp](-\d)/, '$1$2') : said}`;
  });
  return written.sort();
}

/** What engines and router read of pods, without what names the serving. */
function facts(all: readonly StoredPod[]) {
  return all.map((pod) => {
    const { container, connector } = readPod(pod, profiles) ?? {};
    const { name, image, command, args, resources, ports, securityContext, lifecycle } = container ?? ({} as Container);
    const { startupProbe, readinessProbe, livenessProbe } = container ?? ({} as Container);
    const own = Object.entries(pod.metadata.labels ?? {}).filter(
      ([key]) => !key.startsWith('modelserving.volcano.sh/'),
    );
    const inside = { name, image, command, args, resources, ports, securityContext, lifecycle };
    return {
      ...inside,
      probes: { startupProbe, readinessProbe, livenessProbe },
      env: envOf(container),
      mounts: (container?.volumeMounts ?? []).map(({ mountPath }) => mountPath).sort(),
      init: pod.spec.initContainers?.map(({ name, args }) => ({ name, args })),
      labels: Object.fromEntries(own.sort()),
      dnsPolicy: pod.spec.dnsPolicy,
      grace: pod.spec.terminationGracePeriodSeconds,
      connector: connector?.name,
      lines: container
        ? linesOf(container)
            .filter((line) => !line.startsWith('ENTRY_ADDRESS='))
            .sort()
        : [],
    };
  });
}
