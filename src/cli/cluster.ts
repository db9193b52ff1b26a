import type { KubeClient } from '../kube/client.js';
import { connectCluster } from '../kube/http-client.js';
import { type Connection, loadConnection } from '../kube/kubeconfig.js';

/** The cluster that `--kubeconfig`, KUBECONFIG, the pod's own service account or ~/.kube/config names. */
export async function openCluster(
  part: string,
  file: string | undefined,
  signal: AbortSignal,
): Promise<{ client: KubeClient; connection: Connection }> {
  const connection = await loadConnection({ env: process.env, ...(file !== undefined && { file }) });
  return { client: connectCluster(connection, { signal, userAgent: `tandem-${part}` }), connection };
}
