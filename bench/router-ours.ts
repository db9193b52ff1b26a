import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/build/ports.js';
import { type Contender, ended, line, pinned } from './contenders.js';
import { measuredFlags, measuredNode } from './measured-node.js';
import { type Candidate, ownFolder, type Site } from './router-site.js';

/** Our router as a user starts it, access log and metrics on, reading its objects from a file. */
export const tandem: Candidate = {
  name: 'tandem',
  mustBeRight: true,
  hasTwoLegs: true,
  toInstall: 'make build',
  start: (site) => startOurs(site),
};

export interface OurRouter extends Contender {
  /** Where its metrics are. */
  readonly metricsPort: number;
}

/** `logFile`: where the access log goes; a file as nginx's does, unless a long run would fill the disk. */
export async function startOurs(site: Site, logFile?: string): Promise<OurRouter> {
  const folder = ownFolder(site, 'tandem');
  const objects = join(folder, 'objects.yaml');
  writeFileSync(objects, objectsYaml(site.enginePort, site.prefill, site.decode));
  const cli = new URL('../src/cli/main.js', import.meta.url).pathname;
  const metricsPort = await freePort();
  const args = ['--objects', objects, '--listen', '127.0.0.1:0', '--metrics-listen', `127.0.0.1:${metricsPort}`];
  const file = logFile ?? join(folder, 'router.log');
  const log = openSync(file, 'w');
  const child = pinned(0, measuredNode(), [...measuredFlags(), cli, 'router', ...args], {
    stdio: ['ignore', 'pipe', log],
  });
  closeSync(log);
  const [, port] = await line(child, /listening on http:\/\/127\.0\.0\.1:(\d+)/).catch((error: unknown) => {
    throw new Error(readFileSync(file, 'utf8').slice(-2000), { cause: error });
  });
  return { name: 'tandem', port: Number(port), metricsPort, pid: child.pid ?? 0, stop: () => ended(child) };
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
