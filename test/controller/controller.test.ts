/** The controller on a real API server. There is no kubelet and no garbage collector: the tests play both. */
import t, { type Test } from 'tap';
import type { KubeObject, Pod } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import { modelServings } from '../../src/api/resources.js';
import { podGroups } from '../../src/controller/pod-group-watch.js';
import { controllerRevisions, crds, leases, pods, secrets, validatingWebhooks } from '../../src/kube/resources.js';
import { missingControlPlane } from '../control-plane/locate.js';
import { sample, served, smallServing, startCluster, type World } from './world.js';

const podGroupCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'podgroups.scheduling.volcano.sh',
    annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' },
  },
  spec: {
    group: 'scheduling.volcano.sh',
    scope: 'Namespaced',
    names: { plural: 'podgroups', singular: 'podgroup', kind: 'PodGroup', listKind: 'PodGroupList' },
    versions: [
      {
        name: 'v1beta1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                'x-kubernetes-preserve-unknown-fields': true,
                properties: {
                  minMember: { type: 'integer' },
                  subGroupPolicy: {
                    type: 'array',
                    items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

const cluster = await startCluster();
if (cluster === undefined) {
  t.pass('the controller on a real API server', { skip: missingControlPlane });
} else {
  t.setTimeout(110_000);
  t.teardown(() => cluster[Symbol.asyncDispose]());

  const inWorld = (title: string, body: (t: Test, world: World) => Promise<void>) =>
    t.test(title, async (t) => {
      const world = await cluster.world(
        title
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '-')
          .slice(0, 50)
          .replace(/-$/, ''),
      );
      t.teardown(() => world.close());
      await body(t, world);
    });

  await inWorld('both documents become their pods and a true status', async (t, world) => {
    const running = await world.controller({ address: { host: '127.0.0.1', port: 0 } });
    await running.ready;
    await world.apply(sample('gpu'));
    await world.apply(sample('npu'));
    const names = [
      'deepseek-v2-lite-0-decode-0-0',
      'deepseek-v2-lite-0-prefill-0-0',
      'vllm-qwen-06b-0-decode-0-0',
      'vllm-qwen-06b-0-prefill-0-0',
    ];
    await world.podsAre(...names);
    t.match(await world.see('a status', () => world.condition('vllm-qwen-06b', 'Available')), { status: 'False' });
    await world.makeReady(...names);
    await world.see('Available', () => world.condition('vllm-qwen-06b', 'Available')?.status === 'True');
    await world.see('Available', () => world.condition('deepseek-v2-lite', 'Available')?.status === 'True');
    t.match(world.serving('vllm-qwen-06b')?.status, {
      observedGeneration: 1,
      replicas: 1,
      availableReplicas: 1,
      updatedReplicas: 1,
      currentReplicas: 1,
      roles: [
        { name: 'prefill', replicas: 1, readyReplicas: 1 },
        { name: 'decode', replicas: 1, readyReplicas: 1 },
      ],
    });
    const ready = await fetch(`http://127.0.0.1:${running.address?.port}/readyz`);
    t.equal(ready.status, 200);
    const metrics = await (await fetch(`http://127.0.0.1:${running.address?.port}/metrics`)).text();
    t.match(metrics, /tandem_controller_steps_total\{step="create-pod"\} 4/);
    await world.see('Events about roles', () => world.events.list().some(({ reason }) => reason === 'RoleRunning'));
  });

  await inWorld('groups and roles are scaled up and down, services with them', async (t, world) => {
    await world.controller();
    await world.apply(smallServing('s', { replicas: 2, workers: 1 }));
    await world.podsAre('s-0-decode-0-0', 's-0-decode-0-1', 's-1-decode-0-0', 's-1-decode-0-1');
    const entryServices = () =>
      world.services
        .list()
        .map(({ metadata }) => metadata.name ?? '')
        .sort()
        .join();
    await world.see('services', () => entryServices() === 's-0-decode-0-0,s-1-decode-0-0');
    const uid = world.pods.get(world.namespace, 's-0-decode-0-0')?.metadata.uid;
    await world.patch('s', { spec: { replicas: 1 } });
    await world.podsAre('s-0-decode-0-0', 's-0-decode-0-1');
    await world.see('one service', () => entryServices() === 's-0-decode-0-0');
    t.equal(world.pods.get(world.namespace, 's-0-decode-0-0')?.metadata.uid, uid, 'what stays is not touched');
    await world.patch('s', { spec: { replicas: 0 } });
    await world.podsAre();
    await world.see('status of zero', () => world.serving('s')?.status?.replicas === 0);
  });

  await inWorld('a deleted pod takes its role instance with it, and both return', async (t, world) => {
    await world.controller();
    await world.apply(smallServing('s', { workers: 1 }));
    const names = ['s-0-decode-0-0', 's-0-decode-0-1'];
    await world.podsAre(...names);
    const uids = names.map((name) => world.pods.get(world.namespace, name)?.metadata.uid);
    await world.deletePod('s-0-decode-0-1');
    await world.see('two new pods', () => {
      const now = names.map((name) => world.pods.get(world.namespace, name)?.metadata.uid);
      return now.every((uid, index) => uid !== undefined && uid !== uids[index]);
    });
    t.same(world.podNames(), names);
  });

  await inWorld('a deleted service returns', async (_t, world) => {
    await world.controller();
    await world.apply(smallServing('s', { workers: 1 }));
    const service = await world.see('the service', () => world.services.get(world.namespace, 's-0-decode-0-0'));
    await world.client.delete(
      { group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true },
      { namespace: world.namespace, name: 's-0-decode-0-0' },
    );
    await world.see('another service', () => {
      const uid = world.services.get(world.namespace, 's-0-decode-0-0')?.metadata.uid;
      return uid !== undefined && uid !== service.metadata.uid;
    });
  });

  await inWorld('pods orphaned by cascade=orphan are adopted by the next serving of that name', async (t, world) => {
    await world.controller();
    await world.apply(smallServing('s'));
    const pod = await world.see('the pod', () => world.pods.get(world.namespace, 's-0-decode-0-0'));
    await world.client.delete(modelServings, { namespace: world.namespace, name: 's' });
    await world.see('no serving', () => world.serving('s') === undefined);
    const orphaned = { metadata: { ownerReferences: null } };
    await world.client.patch(pods, { namespace: world.namespace, name: 's-0-decode-0-0' }, 'merge', orphaned);
    for (const { metadata } of (await world.client.list(controllerRevisions, { namespace: world.namespace })).items) {
      await world.client.patch(
        controllerRevisions,
        { namespace: world.namespace, name: metadata.name ?? '' },
        'merge',
        orphaned,
      );
    }
    const again = await world.apply(smallServing('s'));
    await world.see('adoption', () => {
      const now = world.pods.get(world.namespace, 's-0-decode-0-0')?.metadata;
      return now?.ownerReferences?.[0]?.uid === again.metadata.uid && now?.uid === pod.metadata.uid;
    });
    t.same(world.podNames(), ['s-0-decode-0-0']);
  });

  await inWorld(
    'a foreign pod holding a name is reported, and no longer waited for than it exists',
    async (t, world) => {
      await world.client.create(pods, {
        metadata: { name: 's-0-decode-0-0', namespace: world.namespace },
        spec: { containers: [{ name: 'x', image: 'x' }] },
      } as KubeObject);
      await world.controller();
      await world.apply(smallServing('s', { replicas: 2 }));
      await world.podsAre('s-0-decode-0-0', 's-1-decode-0-0');
      const event = await world.see('an Event', () => world.events.list().find(({ reason }) => reason === 'NameTaken'));
      t.match(event.message, /pod s-0-decode-0-0 .* without owner; delete it or rename/i);
      await world.see('ReplicaFailure', () => world.condition('s', 'ReplicaFailure')?.status === 'True');
      await world.deletePod('s-0-decode-0-0');
      await world.see(
        'our pod',
        () => world.pods.get(world.namespace, 's-0-decode-0-0')?.metadata.ownerReferences?.[0]?.kind === 'ModelServing',
      );
      await world.see('no failure', () => world.condition('s', 'ReplicaFailure') === undefined);
    },
  );

  await inWorld('a removed label is restored', async (t, world) => {
    await world.controller();
    await world.apply(smallServing('s'));
    const pod = await world.see('the pod', () => world.pods.get(world.namespace, 's-0-decode-0-0'));
    const patch = { metadata: { labels: { [labels.groupName]: null } } };
    await world.client.patch(pods, { namespace: world.namespace, name: 's-0-decode-0-0' }, 'merge', patch);
    const now = await world.see('the label', () => {
      const seen = world.pods.get(world.namespace, 's-0-decode-0-0');
      return (
        seen?.metadata.resourceVersion !== pod.metadata.resourceVersion &&
        seen?.metadata.labels?.[labels.groupName] === 's-0' &&
        seen
      );
    });
    t.equal(now.metadata.uid, pod.metadata.uid, 'the pod itself stays');
  });

  await inWorld('nothing is created for a serving in foreground deletion', async (t, world) => {
    await world.controller();
    await world.apply(smallServing('s', { replicas: 2 }));
    await world.podsAre('s-0-decode-0-0', 's-1-decode-0-0');
    await world.client.delete(modelServings, { namespace: world.namespace, name: 's' }, { propagation: 'Foreground' });
    await world.see('deletionTimestamp', () => world.serving('s')?.metadata.deletionTimestamp !== undefined);
    await world.deletePod('s-0-decode-0-0');
    await world.podsAre('s-1-decode-0-0');
    // Another serving is worked on after that change was seen; had the pod been due, it would be there too.
    await world.apply(smallServing('later'));
    await world.podsAre('later-0-decode-0-0', 's-1-decode-0-0');
    t.pass();
  });

  await inWorld('a refusal by a webhook is told with its reason, and tried again', async (t, world) => {
    const name = `refuse-${world.namespace}`;
    await world.client.create(validatingWebhooks, {
      metadata: { name },
      webhooks: [
        {
          name: 'refuse.example.com',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          timeoutSeconds: 2,
          clientConfig: { url: 'https://127.0.0.1:1/refuse' },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': world.namespace } },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
      ],
    } as KubeObject);
    await world.controller();
    await world.apply(smallServing('s', { replicas: 3 }));
    const event = await world.see('an Event', () =>
      world.events.list().find(({ reason }) => reason === 'FailedCreate'),
    );
    t.match(event, { type: 'Warning', message: /refuse\.example\.com/ });
    const condition = await world.see('ReplicaFailure', () => world.condition('s', 'ReplicaFailure'));
    t.match(condition, { status: 'True', reason: 'FailedCreate' });
    await world.client.delete(validatingWebhooks, { name });
    await world.podsAre('s-0-decode-0-0', 's-1-decode-0-0', 's-2-decode-0-0');
  });

  await inWorld('a controller that is stopped in the middle is continued by the next', async (t, world) => {
    const first = await world.controller();
    await world.apply(smallServing('s', { replicas: 12, workers: 1 }));
    await world.see('a first pod', () => world.pods.list().length > 0);
    await first.stop();
    const second = await world.controller();
    await world.see('all pods', () => world.pods.list().length === 24);
    const uids = new Map(world.pods.list().map(({ metadata }) => [metadata.name, metadata.uid]));
    await world.see('a status', () => world.serving('s')?.status?.replicas === 12);
    await second.stop();
    await world.controller();
    await world.patch('s', { metadata: { labels: { touched: 'yes' } } });
    await world.see('the touch', () => world.serving('s')?.metadata.labels?.['touched'] === 'yes');
    t.same(
      new Map(world.pods.list().map(({ metadata }) => [metadata.name, metadata.uid])),
      uids,
      'nothing is made twice',
    );
  });

  await inWorld('a rolling update replaces groups within the budget', async (t, world) => {
    await world.controller();
    await world.apply(smallServing('s', { replicas: 3 }));
    await world.podsAre('s-0-decode-0-0', 's-1-decode-0-0', 's-2-decode-0-0');
    await world.makeReady(...world.podNames());
    await world.see('Available', () => world.condition('s', 'Available')?.status === 'True');
    let least = 3;
    const isReady = ({ status, metadata }: Pod) =>
      status?.phase === 'Running' && metadata.deletionTimestamp === undefined;
    world.pods.subscribe((change) => {
      least = Math.min(least, world.pods.list().filter(isReady).length);
      if (change.type === 'added') world.makeReady(change.object.metadata.name ?? '').catch(t.fail);
    });
    const [role] = smallServing('s').spec.template.roles;
    const spec = { containers: [{ name: 'engine', image: 'engine:v2' }] };
    await world.patch('s', { spec: { template: { roles: [{ ...role, entryTemplate: { spec } }] } } });
    const hasAll = () => {
      const { observedGeneration, updatedReplicas } = world.serving('s')?.status ?? {};
      return observedGeneration === 2 && updatedReplicas === 3;
    };
    await world.see('the update', () => hasAll() && world.condition('s', 'Available')?.status === 'True');
    t.same([...new Set(world.pods.list().map((pod) => pod.spec.containers[0]?.image))], ['engine:v2']);
    t.equal(least, 2, 'one at a time');
    const { currentRevision, updateRevision } = world.serving('s')?.status ?? {};
    t.equal(currentRevision, updateRevision);
  });

  await inWorld('one of two controllers leads, and the other takes over', async (t, world) => {
    const election = { namespace: world.namespace, name: 'lead', holdSeconds: 15, retrySeconds: 0.1 };
    const first = await world.controller({ leaderElection: { ...election, identity: 'first' } });
    const lease = world.watch<KubeObject & { spec?: { holderIdentity?: string } }>(leases);
    const holder = () => lease.get(world.namespace, 'lead')?.spec?.holderIdentity;
    await world.see('a leader', () => holder() === 'first', [lease as never]);
    await world.controller({ leaderElection: { ...election, identity: 'second' } });
    await world.apply(smallServing('s'));
    await world.podsAre('s-0-decode-0-0');
    t.equal(holder(), 'first');
    await first.stop();
    await world.see('a new leader', () => holder() === 'second', [lease as never]);
    await world.patch('s', { spec: { replicas: 2 } });
    await world.podsAre('s-0-decode-0-0', 's-1-decode-0-0');
  });

  await inWorld('the rights of config/rbac/controller.yaml are enough', async (t, world) => {
    const client = await cluster.as('config/rbac/controller.yaml', 'tandem-controller');
    const leaderElection = { identity: 'restricted', retrySeconds: 0.1 };
    const running = await world.controller({ client, leaderElection, namespace: world.namespace });
    await running.ready;
    await world.apply(smallServing('s', { replicas: 2, workers: 1 }));
    await world.see('four pods', () => world.pods.list().length === 4);
    await world.makeReady(...world.podNames());
    await world.see('Available', () => world.condition('s', 'Available')?.status === 'True');
    await world.see('an Event', () => world.events.list().some(({ reason }) => reason === 'RoleRunning'));
    await world.patch('s', { spec: { replicas: 0 } });
    await world.podsAre();
    await world.see('no services', () => world.services.list().length === 0);
    await t.rejects(client.list(secrets), { message: /403 Forbidden/ });
    await running.stop();
    await client[Symbol.asyncDispose]();
  });

  await inWorld(
    'with the garbage collector at work, foreground deletion ends and makes no pod anew',
    async (t, world) => {
      await cluster.plane.startControllerManager();
      await world.controller();
      let born = 0;
      world.pods.subscribe(({ type }) => {
        born += Number(type === 'added');
      });
      await world.apply(smallServing('s', { replicas: 3, workers: 1 }));
      await world.see('six pods', () => world.pods.list().length === 6);
      await world.client.delete(
        modelServings,
        { namespace: world.namespace, name: 's' },
        { propagation: 'Foreground' },
      );
      await world.see('nothing left', () => world.serving('s') === undefined && world.pods.list().length === 0);
      await world.see('no service left', () => world.services.list().length === 0);
      t.equal(born, 6);
    },
  );

  await inWorld('PodGroups are made from the moment their kind is installed', async (t, world) => {
    await world.controller();
    await world.apply(smallServing('before'));
    await world.podsAre('before-0-decode-0-0');
    t.equal(world.pods.list()[0]?.metadata.annotations, undefined, 'no annotation of Volcano without it');
    await world.client.create(crds, podGroupCrd as KubeObject);
    await served(world.client, podGroups);
    const groups = world.watch<KubeObject & { spec?: object }>(podGroups);
    await world.apply(smallServing('after', { workers: 1 }));
    const group = await world.see('a PodGroup', () => groups.get(world.namespace, 'after-0'), [groups as never]);
    t.match(group.spec, { minMember: 2, subGroupPolicy: [{ name: 'decode', subGroupSize: 2, minSubGroups: 1 }] });
    const pod = await world.see('its pod', () => world.pods.get(world.namespace, 'after-0-decode-0-1'));
    t.match(pod.metadata.annotations, {
      'scheduling.k8s.io/group-name': 'after-0',
      'volcano.sh/task-spec': 'decode-0',
    });
    await world.see('one for the older group too', () => groups.get(world.namespace, 'before-0'), [groups as never]);
    await world.patch('after', { spec: { replicas: 0 } });
    await world.see('it goes', () => groups.get(world.namespace, 'after-0') === undefined, [groups as never]);
    await world.close();
    await world.client.delete(crds, { name: podGroupCrd.metadata.name });
    await groups.stopped;
  });
}
