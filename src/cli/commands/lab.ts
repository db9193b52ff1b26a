import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeError } from '../../base/errors.js';
import { loadConnection } from '../../kube/kubeconfig.js';
import type { LogLevel } from '../../telemetry/log.js';
import { cliErrors } from '../errors.js';
import { type Lab, startLab } from '../lab.js';
import { serve } from '../serve.js';

export interface Options {
  readonly nodes?: string;
  readonly kubeconfig?: string;
  readonly kubeconfigOut?: string;
  readonly listen: string;
  readonly apiListen: string;
  readonly logLevel: LogLevel;
}

export function run(options: Options): Promise<number> {
  return serve(async (signal) => {
    const { nodes, kubeconfig, listen, apiListen, logLevel } = options;
    const lab = await startLab(
      {
        ...(nodes !== undefined && { nodes }),
        ...(kubeconfig !== undefined && { join: await loadConnection({ file: kubeconfig, env: process.env }) }),
        routerListen: listen,
        apiListen,
        logLevel,
      },
      signal,
    );
    const saved = await saveOrStop(lab, options.kubeconfigOut);
    const file = saved?.file ?? kubeconfig;
    const stop = async () => {
      await lab.stop();
      await saved?.remove();
    };
    const { host, port } = lab.part('router').address ?? { host: '127.0.0.1', port: 0 };
    process.stdout.write(
      `kubeconfig  export KUBECONFIG=${file}\nrouter      http://${host}:${port}\ntry         kubectl apply -f config/samples/gpu\nstop        Ctrl-C\n`,
    );
    return [{ ready: Promise.resolve(), stop, [Symbol.asyncDispose]: stop }];
  });
}

async function saveOrStop(lab: Lab, wanted: string | undefined) {
  if (lab.kubeconfig === undefined) return undefined;
  try {
    return await save(lab.kubeconfig, wanted);
  } catch (error) {
    await lab.stop();
    throw error;
  }
}

/** Writes the kubeconfig where it is wanted, else in a temporary folder that `remove` takes away: it holds an admin token. */
async function save(text: string, wanted: string | undefined): Promise<{ file: string; remove: () => Promise<void> }> {
  try {
    if (wanted !== undefined) {
      await writeFile(wanted, text, { mode: 0o600 });
      return { file: wanted, remove: () => Promise.resolve() };
    }
    const folder = await mkdtemp(join(tmpdir(), 'tandem-lab-'));
    const remove = () => rm(folder, { recursive: true, force: true });
    const file = join(folder, 'kubeconfig');
    await writeFile(file, text, { mode: 0o600 }).catch(async (error: unknown) => {
      await remove();
      throw error;
    });
    return { file, remove };
  } catch (error) {
    throw cliErrors('kubeconfig-not-written', { file: wanted ?? tmpdir(), why: describeError(error) }, error);
  }
}
