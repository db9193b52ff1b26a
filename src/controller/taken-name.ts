import type { Pod } from '../api/kube.js';
import { labels } from '../api/names.js';
import type { KubeClient } from '../kube/client.js';
import { isNotFound } from '../kube/kube-error.js';
import { pods } from '../kube/resources.js';
import { type ExecuteContext, type Refused, taken } from './execution.js';

/**
 * A pod of the wanted name exists although no watch shows it: it is ours and not seen yet, ours with labels removed,
 * or somebody else's.
 */
export async function resolveTakenName(wanted: Pod, context: ExecuteContext): Promise<Refused | undefined> {
  const held = await read(context.client, wanted);
  if (held === undefined) return undefined; // gone again: the next round creates it
  const { metadata } = held;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (owner?.uid !== context.desired.uid) return taken('pod', held, undefined);
  if (metadata.deletionTimestamp !== undefined) return undefined;
  const missing = missingLabels(wanted, held);
  const seen = Object.keys(missing).length === 0 ? held : await restore(context.client, held, missing);
  context.memory.created(context.key, seen, context.clock.now());
  return undefined;
}

async function read(client: KubeClient, { metadata }: Pod): Promise<Pod | undefined> {
  try {
    return await client.get<Pod>(pods, placeOf(metadata));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Labels that say where a pod belongs. The revision is not restored: what the pod was built from is not known here. */
const places: readonly string[] = [labels.name, labels.groupName, labels.role, labels.roleId, labels.entry];

function missingLabels(wanted: Pod, held: Pod): Record<string, string> {
  const entries = Object.entries(wanted.metadata.labels ?? {});
  return Object.fromEntries(
    entries.filter(([key, value]) => places.includes(key) && held.metadata.labels?.[key] !== value),
  );
}

const restore = (client: KubeClient, { metadata }: Pod, missing: Record<string, string>): Promise<Pod> =>
  client.patch<Pod>(pods, placeOf(metadata), 'merge', { metadata: { uid: metadata.uid, labels: missing } });

const placeOf = ({ namespace = 'default', name = '' }: Pod['metadata']) => ({ namespace, name });
