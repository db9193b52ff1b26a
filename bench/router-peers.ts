import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/build/ports.js';
import type { Contender } from './contenders.js';
import { type Candidate, launch, ownFolder, type Site } from './router-site.js';

type Arguments = (given: { readonly prefill: readonly string[]; readonly decode: readonly string[] }) => string[];

interface Peer {
  readonly name: string;
  /** The program that its Python package installs. */
  readonly program: string;
  readonly toInstall: string;
  readonly args: Arguments;
  /** What is said to it once it listens. */
  readonly ready?: (port: number, site: Site) => Promise<void>;
}

function candidate({ name, program, toInstall, args, ready }: Peer): Candidate {
  async function start(site: Site): Promise<Contender | undefined> {
    const command = join(site.peers ?? '', 'bin', program);
    if (site.peers === undefined || !existsSync(command)) return undefined;
    const port = await freePort();
    const metricsPort = await freePort();
    const urls = (addresses: readonly string[]) => addresses.map((ip) => `http://${ip}:${site.enginePort}`);
    const own = ['--host', '127.0.0.1', '--port', String(port), '--prometheus-port', String(metricsPort)];
    return launch({
      name,
      folder: ownFolder(site, name),
      port,
      command,
      args: [...args({ prefill: urls(site.prefill), decode: urls(site.decode) }), ...own],
      ...(ready === undefined ? {} : { ready: () => ready(port, site) }),
    });
  }
  return { name, mustBeRight: false, hasTwoLegs: true, toInstall: `pip install ${toInstall}, and --peers`, start };
}

/** `--flag a --flag b`, with more after each where the flag takes it. */
const each = (flag: string, values: readonly string[], ...more: string[]): string[] =>
  values.flatMap((value) => [flag, value, ...more]);

/** SGLang's dialect: both legs at once, joined by a bootstrap room. */
const sglangRouter = candidate({
  name: 'sglang-router',
  program: 'sglang-router',
  toInstall: 'sglang-router==0.3.2',
  args: ({ prefill, decode }) => [
    ...['launch', '--pd-disaggregation', '--log-level', 'warn'],
    ...each('--prefill', prefill, '8998'),
    ...each('--decode', decode),
  ],
});

const vllmRouter = (name: string, policy: readonly string[]): Candidate =>
  candidate({
    name,
    program: 'vllm-router',
    toInstall: 'vllm-router==0.1.17',
    args: ({ prefill, decode }) => [
      ...['--vllm-pd-disaggregation', '--log-level', 'warning', ...policy],
      ...each('--prefill', prefill),
      ...each('--decode', decode),
    ],
  });

/** Only a worker that was registered with its connector gets the KV address in its prefill leg. */
const smg = candidate({
  name: 'smg',
  program: 'smg',
  toInstall: 'smg==1.13.0',
  // By itself it takes 4096 requests at once; the case with silent streams has more.
  args: () => [
    ...['launch', '--pd-disaggregation', '--enable-igw', '--log-level', 'warn'],
    ...['--max-concurrent-requests', '20000'],
  ],
  ready: async (port, { prefill, decode, enginePort }) => {
    for (const [role, addresses] of Object.entries({ prefill, decode })) {
      for (const ip of addresses) await register(port, { url: `http://${ip}:${enginePort}`, worker_type: role });
    }
  },
});

async function register(port: number, worker: { readonly url: string; readonly worker_type: string }): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/workers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...worker, connection_mode: 'http', runtime_type: 'vllm', kv_connector: 'NixlConnector' }),
  });
  if (!answer.ok) throw new Error(`smg refused a worker: ${answer.status} ${await answer.text()}`);
}

export const peers: readonly Candidate[] = [
  sglangRouter,
  vllmRouter('vllm-router', ['--policy', 'round_robin']),
  vllmRouter('vllm-router cache', ['--policy', 'cache_aware']),
  smg,
];
