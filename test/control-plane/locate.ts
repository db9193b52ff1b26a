/** Where the programs of a real control plane are: KUBEBUILDER_ASSETS first, then the cache that `build.sh` fills. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const programs = ['etcd', 'kube-apiserver', 'kube-scheduler', 'kube-controller-manager', 'kubectl'] as const;
export type Program = (typeof programs)[number];
export type Programs = Readonly<Partial<Record<Program, string>>>;

/** The text of a skipped test: what is missing and how to get it. */
export const missingControlPlane =
  'no etcd and kube-apiserver found in KUBEBUILDER_ASSETS or the cache; run `make control-plane` once (about 10 CPU minutes)';

/** The programs that were found; undefined when there is no etcd or no API server. The others may be absent. */
export function locateControlPlane(env: NodeJS.ProcessEnv = process.env): Programs | undefined {
  for (const folder of [env['KUBEBUILDER_ASSETS'], cacheFolder(env)]) {
    if (folder === undefined || folder === '') continue;
    const found = Object.fromEntries(
      programs.map((program) => [program, join(folder, program)] as const).filter(([, path]) => isExecutable(path)),
    );
    if ('etcd' in found && 'kube-apiserver' in found) return found;
  }
  return undefined;
}

/** The folder that `build.sh` prints, computed from the same versions. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const root = new URL('../../../test/control-plane/go.mod', import.meta.url);
  const pinned = readFileSync(root, 'utf8');
  const kubernetes = /k8s\.io\/kubernetes (v[0-9.]+)/.exec(pinned)?.[1] ?? 'unknown';
  const etcd = /go\.etcd\.io\/etcd\/server\/v3 (v[0-9.]+)/.exec(pinned)?.[1] ?? 'unknown';
  const home = env['HOME'] ?? homedir();
  const base =
    env['TANDEM_CONTROL_PLANE_CACHE'] || join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'tandem', 'control-plane');
  return join(base, `${kubernetes}-etcd-${etcd}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // absent or not ours to run: both mean "not found here"
  }
}
