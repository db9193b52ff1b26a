import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const hasTaskset = spawnSync('taskset', ['-V']).error === undefined;

/** Starts a program on one core where that can be said: what is measured has a core for itself. */
export function pinned(core: number, command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return hasTaskset ? spawn('taskset', ['-c', String(core), command, ...args], options) : spawn(command, args, options);
}

/** Puts this process, which makes the load, beside the engines. */
export function pinSelf(): void {
  if (hasTaskset) spawnSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
}

/** Something that stands between the clients and the engines. */
export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Site {
  readonly folder: string;
  readonly enginePort: number;
  readonly prefill: readonly string[];
  readonly decode: readonly string[];
}

export async function startEngines({ enginePort, prefill, decode }: Site): Promise<Pick<Contender, 'pid' | 'stop'>> {
  const script = new URL('./mock-engine.js', import.meta.url).pathname;
  const child = pinned(1, process.execPath, [script, String(enginePort), ...prefill, ...decode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await line(child, /ready/);
  return { pid: child.pid ?? 0, stop: () => ended(child) };
}

/** Our router as a user starts it, access log and metrics on, reading its objects from a file. */
export async function startOurs({ folder, enginePort, prefill, decode }: Site): Promise<Contender> {
  const objects = join(folder, 'objects.yaml');
  writeFileSync(objects, objectsYaml(enginePort, prefill, decode));
  const cli = new URL('../src/cli/main.js', import.meta.url).pathname;
  const args = [cli, 'router', '--objects', objects, '--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  // The access log goes to a file, as nginx's does.
  const log = openSync(join(folder, 'router.log'), 'w');
  const child = pinned(0, process.execPath, args, { stdio: ['ignore', 'pipe', log] });
  closeSync(log);
  const [, port] = await line(child, /listening on http:\/\/127\.0\.0\.1:(\d+)/).catch((error: unknown) => {
    throw new Error(readFileSync(join(folder, 'router.log'), 'utf8').slice(-2000), { cause: error });
  });
  return { name: 'tandem router, PD', port: Number(port), pid: child.pid ?? 0, stop: () => ended(child) };
}

/** Debian's nginx as one plain hop to a decode engine: what any gateway costs. Undefined when it is not installed. */
export async function startNginx({ folder, enginePort, decode }: Site): Promise<Contender | undefined> {
  if (spawnSync('nginx', ['-v']).error) return undefined;
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConf(folder, port, enginePort, decode));
  const child = pinned(0, 'nginx', ['-c', file, '-p', folder, '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await accepting(port);
  return { name: 'nginx, one plain hop', port, pid: child.pid ?? 0, stop: () => ended(child) };
}

function nginxConf(folder: string, port: number, enginePort: number, decode: readonly string[]): string {
  const servers = decode.map((ip) => `server ${ip}:${enginePort};`).join(' ');
  return `worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 8192; }
http {
  access_log ${folder}/access.log;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  client_max_body_size 64m; client_body_buffer_size 1m;
  upstream engines { ${servers} keepalive 512; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} backlog=2048; keepalive_requests 1000000;
    location / { proxy_pass http://engines; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
`;
}

function objectsYaml(port: number, prefill: readonly string[], decode: readonly string[]): string {
  const pod = (role: string) => (ip: string, i: number) =>
    `apiVersion: v1
kind: Pod
metadata:
  name: ${role}-${i}
  namespace: default
  uid: ${role}-${i}
  labels: {app: m, group: g0, role: ${role}, tandem.dev/kv-fingerprint: 0123456789abcdef}
spec: {containers: [{name: vllm}]}
status: {podIP: ${ip}, conditions: [{type: Ready, status: "True"}]}
`;
  const server = `apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelServer
metadata: {name: m, namespace: default}
spec:
  inferenceEngine: vLLM
  model: engine/model
  kvConnector: {type: nixl}
  workloadPort: {port: ${port}}
  workloadSelector:
    matchLabels: {app: m}
    pdGroup: {groupKey: group, prefillLabels: {role: prefill}, decodeLabels: {role: decode}}
`;
  const route = `apiVersion: networking.serving.volcano.sh/v1alpha1
kind: ModelRoute
metadata: {name: m, namespace: default}
spec: {modelName: m, rules: [{targetModels: [{modelServerName: m}]}]}
`;
  return [...prefill.map(pod('prefill')), ...decode.map(pod('decode')), server, route].join('---\n');
}

/** Resolves with the first match of what the program writes on standard output. */
export function line(child: ChildProcess, wanted: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (more: Buffer) => {
      text += more.toString();
      const match = wanted.exec(text);
      if (match) resolve(match);
    });
    child.once('exit', (code) =>
      reject(new Error(`${child.spawnargs.join(' ')} ended with ${code} before it was ready`)),
    );
    child.once('error', reject);
  });
}

/** Asks the program to end, and waits until it has. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function accepting(port: number): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    const up = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing accepts connections on port ${port}`);
}
