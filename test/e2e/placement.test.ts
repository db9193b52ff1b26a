/** Groups land in one leaf because the scheduler asks the extender: the same servings with and without it. */
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import type { Node } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import { nodes } from '../../src/kube/resources.js';
import { locateControlPlane } from '../control-plane/locate.js';
import { type Backend, lacking, openCluster } from './cluster.js';
import { podsOf, untilAvailable } from './scenario.js';

const groups = 6;
const role = (name: string) => ({ name, entryTemplate: { metadata: { annotations: { 'tandem.dev/devices': '4' } } } });
const serving = {
  apiVersion: 'workload.serving.volcano.sh/v1alpha1',
  kind: 'ModelServing',
  metadata: {
    name: 'spread',
    namespace: 'default',
    annotations: {
      'tandem.dev/model': 'Qwen/Qwen3-0.6B',
      'tandem.dev/engine': 'vllm',
      'tandem.dev/connector': 'nixl',
      'tandem.dev/accelerator': 'nvidia',
      'tandem.dev/tensor-parallel': '4',
    },
  },
  spec: { replicas: groups, template: { roles: [role('prefill'), role('decode')] } },
};

for (const backend of ['lab', 'real'] as const) {
  const missing = lacking(backend, backend === 'real' ? locateControlPlane() : undefined);
  t.test(
    `on ${backend === 'lab' ? 'the lab' : 'a real control plane'}`,
    { skip: missing ?? false, timeout: 300_000 },
    async (t) => {
      await t.test('with the extender every group lies in one leaf', async (t) => {
        const leaves = await leavesOfGroups(t, backend, true);
        t.strictSame(
          leaves.map((seen) => seen.length),
          Array(groups).fill(1),
          JSON.stringify(leaves),
        );
      });
      await t.test('without it some group is scattered, although every leaf has room', async (t) => {
        const leaves = await leavesOfGroups(t, backend, false);
        t.ok(leaves.length === groups && leaves.some((seen) => seen.length > 1), JSON.stringify(leaves));
      });
    },
  );
}

/** The leaves that the nodes of each group's pods lie in. */
async function leavesOfGroups(t: Test, backend: Backend, useExtender: boolean): Promise<readonly string[][]> {
  const cluster = await openCluster(backend, { useExtender });
  t.teardown(() => cluster.stop());
  const { code, stderr } = await cluster.kubectl('apply -f -', stringify(serving));
  t.equal(code, 0, stderr);
  await untilAvailable(cluster, 'default', 'spread');
  const { items } = await cluster.lab.client.list<Node>(nodes, {});
  const leafOf = new Map(items.map(({ metadata }) => [metadata.name, metadata.labels?.['topology.tandem.dev/leaf']]));
  const leaves = new Map<string, Set<string>>();
  for (const { metadata, spec } of await podsOf(cluster, 'default', 'spread')) {
    const group = metadata.labels?.[labels.groupName] ?? '';
    leaves.set(group, (leaves.get(group) ?? new Set()).add(leafOf.get(spec.nodeName) ?? 'unknown'));
  }
  return [...leaves.values()].map((seen) => [...seen]);
}
