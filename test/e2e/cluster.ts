/** One cluster to run a scenario on: the lab's own, or a real control plane that the lab's nodes, kubelet and engines join. */

import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, startLab } from '../../src/cli/lab.js';
import type { RawObject } from '../../src/kube/client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { startReflector } from '../../src/kube/reflector.js';
import type { Resource } from '../../src/kube/resources.js';
import type { ObjectStore } from '../../src/kube/store.js';
import { silentLogger } from '../../src/telemetry/log.js';
import type { Programs } from '../control-plane/locate.js';
import { startControlPlane } from '../control-plane/start.js';
import { findKubectl, type Output, run } from './kubectl.js';

export type Backend = 'lab' | 'real';

export interface Cluster extends AsyncDisposable {
  readonly backend: Backend;
  readonly lab: Lab;
  readonly kubeconfig: string;
  readonly router: string;
  /** Runs kubectl against this cluster. */
  kubectl(args: string, input?: string): Promise<Output>;
  /** Opens a live view of one kind in all namespaces, closed with the cluster. */
  watch<T extends RawObject>(resource: Resource): ObjectStore<T>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** False: the scheduler does not ask the extender. */
  readonly useExtender?: boolean;
}

/** Why a scenario cannot run here; undefined when it can. */
export function lacking(backend: Backend, programs: Programs | undefined): string | undefined {
  const only = process.env['TANDEM_E2E'];
  if (only !== undefined && only !== backend) return `TANDEM_E2E=${only}`;
  if (!findKubectl()) return 'no kubectl; `make control-plane` builds one';
  return backend === 'real' && !programs?.['kube-scheduler']
    ? 'no kube-scheduler; `make control-plane` builds one'
    : undefined;
}

export async function openCluster(backend: Backend, options: ClusterOptions = {}): Promise<Cluster> {
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  const folder = await mkdtemp(join(tmpdir(), 'tandem-e2e-'));
  const plane = backend === 'real' ? await startControlPlane({ signal: abort.signal }) : undefined;
  const join_ = plane && (await loadConnection({ file: plane.kubeconfig, env: {} }));
  const lab = await startLab({ logLevel: 'silent', ...options, ...(join_ && { join: join_ }) }, abort.signal);
  if (plane) {
    await plane.startScheduler((kubeconfig) => schedulerConfiguration(kubeconfig, lab, options.useExtender !== false));
    // After the CRDs: the garbage collector learns of kinds when it starts, and then only every 30 s.
    await plane.startControllerManager();
  }
  const kubeconfig = plane?.kubeconfig ?? join(folder, 'kubeconfig');
  if (lab.kubeconfig !== undefined) await writeFile(kubeconfig, lab.kubeconfig);
  const stop = async () => {
    abort.abort();
    await lab.stop();
    await plane?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const { host, port } = lab.part('router').address ?? { host: '', port: 0 };
  return {
    backend,
    lab,
    kubeconfig,
    router: `http://${host}:${port}`,
    kubectl: (args, input) =>
      run(findKubectl() ?? 'kubectl', args.split(' '), {
        env: { KUBECONFIG: kubeconfig, HOME: folder },
        ...(input !== undefined && { input }),
      }),
    watch: (resource) => startReflector(lab.client, resource, { signal: abort.signal, logger: silentLogger }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The shipped configuration, with this run's kubeconfig and extender address in their places. */
function schedulerConfiguration(kubeconfig: string, lab: Lab, useExtender: boolean): string {
  const shipped = readFileSync('config/scheduler/kube-scheduler.yaml', 'utf8')
    .replaceAll('KUBECONFIG_PATH', kubeconfig)
    .replace('leaderElect: true', 'leaderElect: false')
    // A loaded test machine must not cost the scheduler its advice.
    .replace('httpTimeout: 500ms', 'httpTimeout: 10s')
    .replace('http://127.0.0.1:9600', `http://127.0.0.1:${lab.part('extender').address?.port}`);
  return useExtender ? shipped : (shipped.split(/^extenders:/m)[0] ?? shipped);
}
