/** The lab's scheduler on the lab's API server and on a real one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openExtenderStores } from '../../../extender/main.js';
import { startExtender } from '../../../extender/start.js';
import type { Pod } from '../../../src/api/kube.js';
import { systemClock } from '../../../src/base/clock.js';
import { events, nodes as nodeKind, pods as podKind } from '../../../src/kube/resources.js';
import { startApiServer } from '../../../src/lab/apiserver/server.js';
import { startScheduler } from '../../../src/lab/scheduler/start.js';
import { silentLogger } from '../../../src/telemetry/log.js';
import { Metrics } from '../../../src/telemetry/metrics.js';
import { fabric, groupPod, plainPod } from '../../build/cluster.js';
import {
  createNodes,
  createServing,
  installModelServings,
  isBound,
  leavesPerGroup,
  openScheduling,
  pairs,
  untilStore,
} from '../../build/scheduling.js';
import { missingControlPlane } from '../../control-plane/locate.js';
import { startControlPlane } from '../../control-plane/start.js';

interface Backend {
  readonly kubeconfig: string;
  stop(): Promise<void>;
}

const backends: readonly [string, () => Promise<Backend | undefined>][] = [
  ["the lab's API server", embedded],
  ['a real API server', () => startControlPlane()],
];

for (const [name, start] of backends) {
  await t.test(`on ${name}`, { timeout: 120_000 }, async (t) => {
    const backend = await start();
    if (backend === undefined) {
      t.pass('skipped', { skip: missingControlPlane });
      return;
    }
    t.teardown(() => backend.stop());
    await scenarios(t, backend.kubeconfig);
  });
}

async function embedded(): Promise<Backend> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-scheduler-'));
  const end = new AbortController();
  const options = { host: '127.0.0.1', port: 0, logger: silentLogger, clock: systemClock };
  const server = await startApiServer(options, end.signal);
  await server.ready;
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, server.kubeconfig());
  return {
    kubeconfig,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function scenarios(t: Test, kubeconfig: string): Promise<void> {
  const cluster = await openScheduling(t, kubeconfig);
  const { client } = cluster;
  await createNodes(cluster, fabric(3, 4));
  await installModelServings(t, cluster);
  const end = new AbortController();
  const stores = await openExtenderStores({ client }, silentLogger, end.signal);
  const listen = { host: '127.0.0.1', port: 0 };
  // A loaded test machine must not make an answer late, and so neutral.
  const patience = { deadline: 10_000 };
  const extender = await startExtender(
    { ...stores, ...patience, listen, logger: silentLogger, metrics: new Metrics() },
    end.signal,
  );
  await extender.ready;
  const entry = {
    prioritizeVerb: 'prioritize',
    weight: 20,
    nodeCacheCapable: true,
    ignorable: true,
    httpTimeout: 20_000,
  };
  const extenders = [{ ...entry, urlPrefix: `http://127.0.0.1:${extender.address?.port}` }];
  const scheduler = await startScheduler({ client, extenders, logger: silentLogger }, end.signal);
  const plain = await startScheduler(
    { client, extenders: [], schedulerNames: ['plain'], logger: silentLogger },
    end.signal,
  );
  t.teardown(async () => {
    end.abort();
    await Promise.all([scheduler.stop(), plain.stop(), extender.stop()]);
  });
  await Promise.all([scheduler.ready, plain.ready]);
  let spaces = 0;
  const fresh = async (): Promise<string> => {
    const name = `s${spaces++}`;
    await cluster.namespace(name);
    return name;
  };

  await t.test('groups land in one leaf each with the extender, and not without', async (t) => {
    const [near, far] = [await fresh(), await fresh()];
    await createServing(cluster, near, 6);
    await untilStore(stores.servings, () => stores.servings.get(near, 'llm'));
    const names = await cluster.create(near, ...pairs(6, {}));
    t.strictSame(leavesPerGroup(await cluster.untilPods(near, names, isBound)), [1, 1, 1, 1, 1, 1]);
    await cluster.clear(near);
    await cluster.create(far, ...pairs(6, { spec: { schedulerName: 'plain' } }));
    t.not(leavesPerGroup(await cluster.untilPods(far, names, isBound)).join(), '1,1,1,1,1,1');
    await cluster.clear(far);
  });

  await t.test('no room: condition and Event say why, and freed room is used at once', async (t) => {
    const space = await fresh();
    const fillers = Array.from({ length: 12 }, (_, i) => plainPod(`filler-${i}`, { devices: 8 }));
    await cluster.untilPods(space, await cluster.create(space, ...fillers), isBound);
    await cluster.create(space, groupPod('prefill'));
    const [waiting] = await cluster.untilPods(space, ['llm-0-prefill-0-0'], ({ status }) =>
      (status?.conditions ?? []).some(({ type }) => type === 'PodScheduled'),
    );
    const message = '0/12 nodes are available: 12 Insufficient nvidia.com/gpu.';
    t.match(waiting?.status?.conditions, [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }]);
    await client.delete(podKind, { namespace: space, name: 'filler-3' }, { gracePeriodSeconds: 0 });
    await cluster.untilPods(space, ['llm-0-prefill-0-0'], isBound);
    await cluster.clear(space);
    await scheduler.stop();
    const { items } = await client.list<{ metadata: object; reason: string; message: string }>(events, {
      namespace: space,
    });
    t.ok(items.some((event) => event.reason === 'FailedScheduling' && event.message === message));
    t.ok(
      items.some(
        ({ reason, message: text }) =>
          reason === 'Scheduled' && /^Successfully assigned s\d+\/filler-0 to r/.test(text),
      ),
    );
  });

  await t.test('gates, other schedulers, nominations and cordons', async (t) => {
    const space = await fresh();
    const mine = { schedulerName: 'plain' };
    await cluster.create(
      space,
      plainPod('gated', { spec: { ...mine, schedulingGates: [{ name: 'example.com/wait' }] } }),
      plainPod('foreign', { spec: { schedulerName: 'nobody' } }),
      plainPod('free', { spec: mine }),
    );
    await cluster.untilPods(space, ['free'], isBound);
    t.notOk(cluster.pods.get(space, 'gated')?.spec.nodeName);
    t.notOk(cluster.pods.get(space, 'foreign')?.spec.nodeName);
    await client.patch(podKind, { namespace: space, name: 'gated', subresource: 'status' }, 'merge', {
      status: { nominatedNodeName: 'r3-n2' },
    });
    await client.patch(podKind, { namespace: space, name: 'gated' }, 'json', [
      { op: 'remove', path: '/spec/schedulingGates' },
    ]);
    const [gated] = await cluster.untilPods(space, ['gated'], isBound);
    t.equal(gated?.spec.nodeName, 'r3-n2');
    for (const { metadata } of cluster.nodes.list()) {
      await client.patch(nodeKind, { name: metadata.name ?? '' }, 'merge', { spec: { unschedulable: true } });
    }
    await cluster.create(space, plainPod('late', { spec: mine }));
    const said = ({ status }: Pod) => (status?.conditions ?? []).some(({ reason }) => reason === 'Unschedulable');
    const [late] = await cluster.untilPods(space, ['late'], said);
    t.match(late?.status?.conditions?.[0]?.message, '0/12 nodes are available: 12 node(s) were unschedulable.');
    await client.patch(nodeKind, { name: 'r2-n2' }, 'merge', { spec: { unschedulable: null } });
    const [bound] = await cluster.untilPods(space, ['late'], isBound);
    t.equal(bound?.spec.nodeName, 'r2-n2');
  });
}
