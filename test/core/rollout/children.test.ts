import t from 'tap';
import { labels } from '../../../src/api/names.js';
import { buildPodGroup } from '../../../src/core/rollout/build-pod-group.js';
import { sameTemplates } from '../../../src/core/rollout/canonical-role.js';
import { buildControllerRevision, buildPod, buildService } from '../../../src/core/rollout/children.js';
import { budgetOf, desiredOf } from '../../../src/core/rollout/desired.js';
import { readObserved, slotOf } from '../../../src/core/rollout/observed.js';
import { planRollout } from '../../../src/core/rollout/plan.js';
import { statusOf } from '../../../src/core/rollout/status.js';
import { any, differences, recorded, recordedServing, recordings } from './recordings.js';

/** What the API server, its defaulting and the scheduler add to a pod. Nothing else may differ. */
const addedToPods = {
  'metadata.generation': any,
  status: any,
  'spec.nodeName': any,
  'spec.priority': 0,
  'spec.preemptionPolicy': 'PreemptLowerPriority',
  'spec.enableServiceLinks': true,
  'spec.tolerations': any,
  'spec.securityContext': {},
  'spec.restartPolicy': 'Always',
  'spec.dnsPolicy': 'ClusterFirst',
  'spec.terminationGracePeriodSeconds': 30,
  'spec.volumes.*.hostPath.type': '',
};
const addedToContainers = {
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  imagePullPolicy: any,
  'env.*.valueFrom.fieldRef.apiVersion': 'v1',
  resources: {},
  'resources.requests': any, // copied from limits when a template has none
  'ports.*.protocol': 'TCP',
  'livenessProbe.httpGet.scheme': 'HTTP',
  'livenessProbe.timeoutSeconds': 1,
  'livenessProbe.successThreshold': 1,
  'readinessProbe.httpGet.scheme': 'HTTP',
  'readinessProbe.timeoutSeconds': 1,
  'readinessProbe.successThreshold': 1,
};
const inContainers = (list: string) =>
  Object.fromEntries(Object.entries(addedToContainers).map(([path, value]) => [`spec.${list}.*.${path}`, value]));
const podAdditions = {
  ...addedToPods,
  ...inContainers('containers'),
  ...inContainers('initContainers'),
  'spec.containers.*.resources.requests.huawei.com/ascend-1980': any,
};

/** Our hashes are not Kthena's: their place is compared, not their value. */
function withoutHashes(object: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(object, (key, value) =>
    key === labels.revision || key === labels.roleTemplateHash ? '<hash>' : value,
  );
  return JSON.parse(text);
}

for (const name of recordings) {
  const serving = recordedServing(name);
  const desired = desiredOf(serving);
  const all = recorded(name);
  const ofKind = (kind: string) => [...all.values()].filter((object) => object['kind'] === kind);
  const nameOf = (object: Record<string, unknown>) => String((object['metadata'] as { name: string }).name);
  const placeOf = (object: Record<string, unknown>) => {
    const slot = slotOf(nameOf(object), desired.name);
    if (slot === undefined) throw new Error(`${nameOf(object)} names no slot`);
    return slot;
  };

  t.test(`what Kthena made for the ${name} serving`, async (t) => {
    t.test('pods are equal: names, labels, annotations, env order, owner, spec', async (t) => {
      for (const pod of ofKind('Pod')) {
        const built = withoutHashes({ ...buildPod(desired, placeOf(pod), desired.revision, true) });
        t.same(differences(built, withoutHashes(pod), podAdditions), [], nameOf(pod));
      }
    });

    t.test('services are equal', async (t) => {
      const added = {
        status: any,
        'spec.clusterIPs': ['None'],
        'spec.type': 'ClusterIP',
        'spec.sessionAffinity': 'None',
        'spec.ipFamilies': ['IPv4'],
        'spec.ipFamilyPolicy': 'SingleStack',
        'spec.internalTrafficPolicy': 'Cluster',
      };
      for (const service of ofKind('Service')) {
        t.same(differences(buildService(desired, placeOf(service)), service, added), [], nameOf(service));
      }
    });

    t.test('PodGroups are equal', async (t) => {
      const added = { 'metadata.generation': any, status: {}, 'spec.queue': 'default' };
      for (const podGroup of ofKind('PodGroup')) {
        const group = Number(/\d+$/.exec(nameOf(podGroup))?.[0]);
        const built = buildPodGroup(desired, group, desired.revision, { subGroups: true });
        t.same(differences(built, podGroup, added), [], nameOf(podGroup));
      }
    });

    t.test('the ControllerRevision holds the same roles under a name of the same shape', async (t) => {
      for (const object of ofKind('ControllerRevision')) {
        const built = buildControllerRevision(desired, desired.revision);
        const { data, metadata } = object as { data: { data: never[] }; metadata: { ownerReferences: unknown } };
        t.ok(sameTemplates((built.data as { data: never[] }).data, data.data));
        t.equal(built.metadata.name, `${desired.name}-${desired.revision.name}`);
        t.same(built.metadata.ownerReferences, metadata.ownerReferences);
      }
    });

    t.test('a plan from nothing creates exactly the recorded pods, services and PodGroups', async (t) => {
      const nothing = {
        now: 0,
        pods: [],
        services: [],
        podGroups: [],
        revisions: [],
        dismissed: new Set<string>(),
        losses: [],
      };
      const steps = planRollout(readObserved(nothing, desired), desired, {
        budget: budgetOf(serving),
        podGroups: { subGroups: true },
      });
      const made = steps.flatMap((step) =>
        step.do === 'create-pod' ? [nameOf({ ...buildPod(desired, step.slot, step.revision, true) })] : [],
      );
      t.same([...made].sort(), ofKind('Pod').map(nameOf).sort());
      t.equal(steps.filter((step) => step.do === 'create-service').length, ofKind('Service').length);
      t.equal(steps.filter((step) => step.do === 'create-pod-group').length, ofKind('PodGroup').length);
      t.equal(steps[0]?.do, 'create-revision', 'the revision is stored before a pod refers to it');
    });

    t.test('with its objects in place nothing is to do: foreign hashes are adopted', async (t) => {
      const uid = (object: Record<string, unknown>) => ({
        ...object,
        metadata: { ...(object['metadata'] as object), uid: `uid-${nameOf(object)}` },
      });
      const snapshot = {
        now: 0,
        pods: ofKind('Pod').map(uid),
        services: ofKind('Service').map(uid),
        podGroups: ofKind('PodGroup').map(uid),
        revisions: ofKind('ControllerRevision').map(uid),
        dismissed: new Set<string>(),
        losses: [],
      } as never;
      const observed = readObserved(snapshot, desired);
      const budget = budgetOf(serving);
      t.same(planRollout(observed, desired, { budget, podGroups: { subGroups: true } }), []);
      const status = statusOf(observed, desired, { budget, refusal: undefined });
      const before = serving.status;
      t.match(status, {
        replicas: before?.replicas,
        availableReplicas: before?.availableReplicas,
        updatedReplicas: before?.updatedReplicas,
        currentReplicas: before?.currentReplicas,
        currentRevision: before?.currentRevision,
        updateRevision: before?.updateRevision,
        labelSelector: before?.labelSelector,
        observedGeneration: before?.observedGeneration,
      });
      t.match(status.conditions?.[0], { type: 'Available', status: 'True', reason: 'AllGroupsReady' });
    });
  });
}

t.test('labels in a template do not override the controller’s own', async (t) => {
  const serving = recordedServing('gpu');
  const roles = serving.spec.template.roles.map((role) => ({
    ...role,
    entryTemplate: {
      ...role.entryTemplate,
      metadata: { labels: { [labels.groupName]: 'group-0', [labels.entry]: 'false', app: 'mine' } },
    },
  }));
  const desired = desiredOf({ ...serving, spec: { ...serving.spec, template: { roles } } });
  const slot = { serving: desired.name, group: 0, role: 'prefill', instance: 0, index: 0 };
  const pod = buildPod(desired, slot, desired.revision, false);
  t.match(pod.metadata.labels, { [labels.groupName]: `${desired.name}-0`, [labels.entry]: 'true', app: 'mine' });
  t.equal(pod.metadata.annotations, undefined, 'without PodGroups there are no annotations of Volcano');
});

t.test('a PodGroup carries the labels that all its pods share: device platforms look for them there too', async (t) => {
  const serving = recordedServing('multi');
  const platform = { 'ring-controller.atlas': 'ascend-910b' };
  const given = (own: (index: number) => object) => {
    const roles = serving.spec.template.roles.map((role, index) => ({
      ...role,
      entryTemplate: { ...role.entryTemplate, metadata: { labels: { ...own(index) } } },
      ...(role.workerTemplate && {
        workerTemplate: { ...role.workerTemplate, metadata: { labels: { ...own(index) } } },
      }),
    }));
    const desired = desiredOf({ ...serving, spec: { ...serving.spec, template: { ...serving.spec.template, roles } } });
    return buildPodGroup(desired, 0, desired.revision, { subGroups: true }).metadata.labels;
  };
  const ours = { [labels.name]: 'multi', [labels.groupName]: 'multi-0' };
  t.same(
    given(() => ({ ...platform, [labels.name]: 'another' })),
    { ...platform, ...ours },
  );
  t.same(
    given((index) => (index === 0 ? platform : {})),
    ours,
  );
  t.same(
    given((index) => ({ app: `role-${index}` })),
    ours,
  );
});

t.test('adopted pods are rolled by the next real change, one group at a time', async (t) => {
  const stored = recordedServing('multi');
  const roles = stored.spec.template.roles.map((role) =>
    role.name === 'decode'
      ? { ...role, entryTemplate: { spec: { containers: [{ name: 'c', image: 'nginx:2' }] } } }
      : role,
  );
  const serving = { ...stored, spec: { ...stored.spec, template: { ...stored.spec.template, roles } } };
  const objects = [...recorded('multi').values()] as { kind: string; metadata: { name: string } }[];
  const ofKind = (kind: string) =>
    objects
      .filter((object) => object.kind === kind)
      .map((object) => ({ ...object, metadata: { ...object.metadata, uid: `uid-${object.metadata.name}` } }));
  const snapshot = {
    now: 0,
    pods: ofKind('Pod'),
    services: ofKind('Service'),
    podGroups: ofKind('PodGroup'),
    revisions: ofKind('ControllerRevision'),
    dismissed: new Set<string>(),
    losses: [],
  } as never;
  const deletions = (rolloutStrategy: { type: 'ServingGroupRollingUpdate' | 'RoleRollingUpdate' }) => {
    const desired = desiredOf({ ...serving, spec: { ...serving.spec, rolloutStrategy } });
    const options = { budget: budgetOf(serving), podGroups: { subGroups: true } };
    const steps = planRollout(readObserved(snapshot, desired), desired, options);
    return steps.flatMap((step) => (step.do === 'delete-pod' ? [step.name] : [])).sort();
  };
  t.same(
    deletions({ type: 'ServingGroupRollingUpdate' }),
    ofKind('Pod')
      .map(({ metadata }) => metadata.name)
      .filter((name) => name.startsWith('multi-1-'))
      .sort(),
  );
  t.same(deletions({ type: 'RoleRollingUpdate' }), ['multi-1-decode-2-0'], 'the unchanged role keeps its foreign pods');
});
