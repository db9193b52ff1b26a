import { modelServings } from '../api/resources.js';
import type { ModelServing, ModelServingStatus } from '../api/types.js';
import { canonicalJson } from '../base/json.js';
import type { KubeClient } from '../kube/client.js';
import { isNotFound } from '../kube/kube-error.js';

/** One write, and none when nothing changed. The uid keeps it from a later serving of the same name. */
export async function writeStatus(
  client: KubeClient,
  serving: ModelServing,
  status: ModelServingStatus,
): Promise<void> {
  if (canonicalJson(serving.status) === canonicalJson(status)) return;
  const { namespace = 'default', name = '', uid } = serving.metadata;
  try {
    const patch = { metadata: { uid }, status };
    await client.patch(modelServings, { namespace, name, subresource: 'status' }, 'merge', patch);
  } catch (error) {
    if (!isNotFound(error)) throw error; // deleted meanwhile
  }
}
