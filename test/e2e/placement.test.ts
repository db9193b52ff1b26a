/** Groups land in one leaf because the scheduler asks the extender: the same servings with and without it. */
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { labels } from '../../src/api/names.js';
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
        t.equal(await groupsInOneLeaf(t, backend, true), groups);
      });
      await t.test('without it some group is scattered, although every leaf has room', async (t) => {
        t.ok((await groupsInOneLeaf(t, backend, false)) < groups);
      });
    },
  );
}

async function groupsInOneLeaf(t: Test, backend: Backend, useExtender: boolean): Promise<number> {
  const cluster = await openCluster(backend, { useExtender });
  t.teardown(() => cluster.stop());
  const { code, stderr } = await cluster.kubectl('apply -f -', stringify(serving));
  t.equal(code, 0, stderr);
  await untilAvailable(cluster, 'default', 'spread');
  const leaves = new Map<string, Set<string>>();
  for (const { metadata } of await podsOf(cluster, 'default', 'spread')) {
    const group = metadata.labels?.[labels.groupName] ?? '';
    leaves.set(group, (leaves.get(group) ?? new Set()).add(metadata.labels?.['topology.tandem.dev/leaf'] ?? 'unknown'));
  }
  return [...leaves.values()].filter((seen) => seen.size === 1 && !seen.has('unknown')).length;
}
