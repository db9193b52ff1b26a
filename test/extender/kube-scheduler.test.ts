/** The extender with a real kube-scheduler, API server and etcd. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import t, { type Test } from 'tap';
import { openExtenderStores } from '../../extender/main.js';
import { startExtender } from '../../extender/start.js';
import type { Pod } from '../../src/api/kube.js';
import { modelServings } from '../../src/api/resources.js';
import { pods as podKind } from '../../src/kube/resources.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { fabric } from '../build/cluster.js';
import { freePort } from '../build/ports.js';
import {
  createNodes,
  createServing,
  installModelServings,
  isBound,
  leavesPerGroup,
  openScheduling,
  pairs,
  plainPod,
  type Scheduling,
  untilStore,
} from '../build/scheduling.js';
import { missingControlPlane } from '../control-plane/locate.js';
import { startControlPlane } from '../control-plane/start.js';

const configuration = new URL('../../../config/scheduler/kube-scheduler.yaml', import.meta.url);

/** Starts the extender on the given port and waits until it knows the cluster. */
async function extenderOn(port: number, { client }: Scheduling) {
  const end = new AbortController();
  const metrics = new Metrics();
  const stores = await openExtenderStores({ client }, silentLogger, end.signal);
  const running = await startExtender(
    // A loaded test machine must not make an answer late, and so neutral.
    { ...stores, listen: { host: '127.0.0.1', port }, logger: silentLogger, metrics, deadline: 10_000 },
    end.signal,
  );
  await running.ready;
  const stop = async () => {
    end.abort();
    await running.stop();
  };
  return { metrics, stop, servings: stores.servings };
}

const plane = await startControlPlane();
if (plane?.programs['kube-scheduler'] === undefined) {
  await plane?.stop();
  t.pass('skipped', { skip: missingControlPlane });
} else {
  t.teardown(() => plane.stop());
  await t.test('with a real kube-scheduler', { timeout: 240_000 }, async (t) => {
    const cluster = await openScheduling(t, plane.kubeconfig);
    await createNodes(cluster, fabric(3, 4));
    await installModelServings(t, cluster);
    const port = await freePort();
    let extender = await extenderOn(port, cluster);
    t.teardown(() => extender.stop());
    const text = await readFile(configuration, 'utf8');
    t.match(text, 'KUBECONFIG_PATH', 'the placeholder that its first lines explain');
    const configured = (kubeconfig: string) =>
      text
        .replaceAll('KUBECONFIG_PATH', kubeconfig)
        .replaceAll('127.0.0.1:9600', `127.0.0.1:${port}`)
        // A loaded test machine must not cost the scheduler its advice.
        .replaceAll('httpTimeout: 500ms', 'httpTimeout: 4s');
    await plane.startScheduler(configured);
    await plane.startScheduler((kubeconfig) =>
      JSON.stringify({
        apiVersion: 'kubescheduler.config.k8s.io/v1',
        kind: 'KubeSchedulerConfiguration',
        clientConnection: { kubeconfig },
        profiles: [{ schedulerName: 'without-tandem' }],
      }),
    );
    await t.test('six groups that fill the cluster land in one leaf each', async (t) => {
      await cluster.namespace('with');
      await createServing(cluster, 'with', 6);
      await untilStore(extender.servings, () => extender.servings.get('with', 'llm'));
      const names = await cluster.create('with', ...pairs(6, {}));
      const placed = await cluster.untilPods('with', names, isBound);
      t.strictSame(leavesPerGroup(placed), [1, 1, 1, 1, 1, 1]);
      t.match(await extender.metrics.render(), /tandem_extender_answer_seconds_count\{verb="prioritize"\} \d+/);
      await cluster.clear('with');
      await cluster.client.delete(modelServings, { namespace: 'with', name: 'llm' });
    });
    await t.test('without the extender they do not', async (t) => {
      await cluster.namespace('without');
      const names = await cluster.create('without', ...pairs(6, { spec: { schedulerName: 'without-tandem' } }));
      const placed = await cluster.untilPods('without', names, isBound);
      t.not(leavesPerGroup(placed).join(), '1,1,1,1,1,1');
      await cluster.clear('without');
    });
    await t.test('a pod of nobody is scheduled as ever', async (t) => {
      await cluster.namespace('others');
      const names = await cluster.create('others', plainPod('nginx'));
      t.equal((await cluster.untilPods('others', names, isBound)).length, 1);
    });
    await t.test('an extender that is killed, garbled, slow or wrong keeps nobody from being scheduled', async (t) => {
      await cluster.namespace('faults');
      await extender.stop();
      const go = async (t: Test, serving: string) => {
        const names = await cluster.create('faults', ...pairs(1, { serving, devices: 1 }));
        t.equal((await cluster.untilPods('faults', names, isBound)).length, 2);
      };
      await t.test('killed', (t) => go(t, 'killed'));
      const faults: readonly [string, string | undefined][] = [
        ['garbage', '{"'],
        ['a fraction', '[{"Host":"r1-n0","Score":9.5}]'],
        ['an object', '{}'],
        ['silence', undefined],
      ];
      for (const [name, answer] of faults) {
        const server = await faulty(port, answer);
        await t.test(name, (t) => go(t, name.replaceAll(' ', '-')));
        await new Promise((resolve) => {
          server.close(resolve);
          server.closeAllConnections();
        });
      }
      await cluster.clear('faults');
    });
    await t.test(
      'the hard mode, which a comment in the file adds: no leaf, no pod, and the pod says why',
      async (t) => {
        extender = await extenderOn(port, cluster);
        await plane.startScheduler((kubeconfig) =>
          configured(kubeconfig).replace('# filterVerb', 'filterVerb').concat('profiles: [{schedulerName: hard}]\n'),
        );
        await cluster.namespace('hard');
        await createServing(cluster, 'hard', 1, { annotations: { 'tandem.dev/placement': 'required: leaf' } });
        await untilStore(extender.servings, () => extender.servings.get('hard', 'llm'));
        const fillers = ['r1', 'r2', 'r3'].flatMap((leaf) =>
          [0, 1, 2].map((i) => plainPod(`${leaf}-${i}`, { devices: 8, spec: { nodeName: `${leaf}-n${i}` } })),
        );
        await cluster.untilPods('hard', await cluster.create('hard', ...fillers), isBound);
        const names = await cluster.create('hard', ...pairs(1, { spec: { schedulerName: 'hard' } }));
        const refused = ({ status }: Pod) => /no domain has room/.test(status?.conditions?.[0]?.message ?? '');
        const [pod] = await cluster.untilPods('hard', names, refused);
        t.match(
          pod?.status?.conditions?.[0]?.message,
          /^0\/12 nodes are available: 3 tandem: no domain has room for the whole group, 9 Insufficient nvidia.com\/gpu/,
        );
        await cluster.client.delete(podKind, { namespace: 'hard', name: 'r2-1' }, { gracePeriodSeconds: 0 });
        const placed = await cluster.untilPods('hard', names, isBound);
        t.strictSame([...new Set(placed.map(({ spec }) => spec.nodeName?.split('-')[0]))], ['r2']);
        await cluster.clear('hard');
        await cluster.client.delete(modelServings, { namespace: 'hard', name: 'llm' });
        await extender.stop();
      },
    );
    await t.test('once it is back, it is asked again', async (t) => {
      extender = await extenderOn(port, cluster);
      await cluster.namespace('back');
      await createServing(cluster, 'back', 3);
      await untilStore(extender.servings, () => extender.servings.get('back', 'llm'));
      const names = await cluster.create('back', ...pairs(3, {}));
      t.strictSame(leavesPerGroup(await cluster.untilPods('back', names, isBound)), [1, 1, 1]);
    });
  });
}

function faulty(port: number, answer: string | undefined): Promise<Server> {
  const server = createServer((_request, response) => {
    if (answer !== undefined) response.end(answer);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
