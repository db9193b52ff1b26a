/** What the router knows of pods and ModelServers, as they come and go. */
import t, { type Test } from 'tap';
import { directoryEvents } from '../../router/announce.js';
import { Directory } from '../../router/directory.js';
import { RouterMetrics } from '../../router/router-metrics.js';
import { LoadTable } from '../../src/core/pairing/load.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { type Cluster, emptyCluster, podOf, serverOf } from './lab.js';

function directoryOf(t: Test, cluster: Cluster) {
  const metrics = new Metrics();
  const load = new LoadTable();
  const events = directoryEvents(() => undefined, new RouterMetrics(metrics), load);
  const directory = new Directory(cluster, () => undefined, events);
  t.teardown(() => directory.close());
  const dialects = async () => (await metrics.render()).match(/^tandem_router_dialect\{.*$/gm) ?? [];
  return { directory, load, dialects };
}

t.test('a pod without a uid, as a file gives it, is avoided also after another pod has changed', (t) => {
  const cluster = emptyCluster();
  const { uid: _, ...metadata } = podOf({ name: 'd0', ip: '10.0.0.1', role: 'decode' }).metadata;
  const nameless = { ...podOf({ name: 'd0', ip: '10.0.0.1', role: 'decode' }), metadata };
  cluster.modelServers.replaceAll([serverOf(1)]);
  cluster.pods.replaceAll([nameless]);
  const { directory, load } = directoryOf(t, cluster);
  const decode = () => [...(directory.view('default', 'm')?.candidates.groups.values() ?? [])][0]?.decode[0];
  const before = decode();
  if (!before) throw new Error('no decode pod');
  load.avoid(before, 1000);
  cluster.pods.replaceAll([nameless, podOf({ name: 'd1', ip: '10.0.0.2', role: 'decode' })]);
  const after = decode();
  t.equal(after?.uid, before.uid);
  t.equal(load.of(before).avoidUntil, 1000);
  t.end();
});

t.test('the dialect of a ModelServer is shown', async (t) => {
  const cluster = emptyCluster();
  const server = serverOf(1);
  cluster.pods.replaceAll([]);
  cluster.modelServers.replaceAll([server]);
  const { directory, dialects } = directoryOf(t, cluster);
  const shown = ['tandem_router_dialect{model_server="default/m",dialect="nixl-pull",from="kvConnector"} 1'];
  directory.view('default', 'm');
  t.same(await dialects(), shown);

  await t.test('until it is deleted', async (t) => {
    cluster.modelServers.replaceAll([]);
    t.same(await dialects(), []);
    cluster.modelServers.replaceAll([server]);
    directory.view('default', 'm');
    t.same(await dialects(), shown);
  });

  await t.test('until it has no PD group', async (t) => {
    const { pdGroup: _, ...workloadSelector } = server.spec.workloadSelector;
    cluster.modelServers.replaceAll([serverOf(1, { workloadSelector })]);
    directory.view('default', 'm');
    t.same(await dialects(), []);
  });
});
