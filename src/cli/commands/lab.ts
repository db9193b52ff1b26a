import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConnection } from '../../kube/kubeconfig.js';
import type { LogLevel } from '../../telemetry/log.js';
import { startLab } from '../lab.js';
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
    const file = lab.kubeconfig === undefined ? kubeconfig : await save(lab.kubeconfig, options.kubeconfigOut);
    const { host, port } = lab.part('router').address ?? { host: '127.0.0.1', port: 0 };
    process.stdout.write(
      `kubeconfig  export KUBECONFIG=${file}\nrouter      http://${host}:${port}\ntry         kubectl apply -f config/samples/gpu\nstop        Ctrl-C\n`,
    );
    return [{ ready: Promise.resolve(), stop: () => lab.stop(), [Symbol.asyncDispose]: () => lab.stop() }];
  });
}

async function save(text: string, wanted: string | undefined): Promise<string> {
  const file = wanted ?? join(await mkdtemp(join(tmpdir(), 'tandem-lab-')), 'kubeconfig');
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
