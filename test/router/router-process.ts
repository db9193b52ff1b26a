/** The router as a user starts it: its own process, its objects in a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { modelRoutes, modelServers } from '../../src/api/resources.js';
import { apiVersionOf } from '../../src/kube/resources.js';
import { freePort } from '../build/ports.js';
import { type PodWanted, podOf, routeOf, serverOf } from './lab.js';

export interface RouterProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly metricsPort: number;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  stderr(): string;
  /** Process ids of the workers. */
  workers(): readonly number[];
  /** The text at this path of the port for metrics. */
  probe(path: string): Promise<{ status: number; text: string }>;
  /** The sum of a metric over the series whose labels contain all of these texts. */
  metric(name: string, ...labels: readonly string[]): Promise<number>;
  /** Asks for metrics until they say so. */
  untilMetric(holds: () => Promise<boolean>): Promise<void>;
}

export function objectsFile(t: Test, pods: readonly PodWanted[], port: number): string {
  const objects = [
    ...pods.map((pod) => ({ apiVersion: 'v1', kind: 'Pod', ...podOf(pod) })),
    { apiVersion: apiVersionOf(modelServers), kind: 'ModelServer', ...serverOf(port) },
    { apiVersion: apiVersionOf(modelRoutes), kind: 'ModelRoute', ...routeOf('tiny') },
  ];
  const folder = t.testdir({ 'objects.yaml': objects.map((object) => JSON.stringify(object)).join('\n---\n') });
  return join(folder, 'objects.yaml');
}

export async function startRouterProcess(t: Test, args: readonly string[]): Promise<RouterProcess> {
  const metricsPort = await freePort();
  const listen = ['--listen', '127.0.0.1:0', '--metrics-listen', `127.0.0.1:${metricsPort}`];
  const child = spawn(process.execPath, ['dist/src/cli/main.js', 'router', ...listen, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const exited = new Promise<number | string>((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'gone')),
  );
  t.teardown(() => {
    child.kill('SIGKILL');
    return exited;
  });
  const port = await Promise.race([
    portOf(child),
    exited.then((how) => Promise.reject(new Error(`the router ended: ${how}\n${stderr}`))),
  ]);
  const probe = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  const metric = async (name: string, ...labels: readonly string[]) =>
    sumOf((await probe('/metrics')).text, name, labels);
  return {
    child,
    port,
    metricsPort,
    exited,
    stderr: () => stderr,
    workers: () => childrenOf(child.pid ?? 0),
    probe,
    metric,
    untilMetric: async (holds) => {
      while (!(await holds()));
    },
  };
}

function portOf(child: ChildProcess): Promise<number> {
  let stdout = '';
  return new Promise((resolve) =>
    child.stdout?.on('data', (text: Buffer) => {
      stdout += text.toString();
      const [, port] = /listening on http:\/\/127\.0\.0\.1:(\d+)\n/.exec(stdout) ?? [];
      if (port !== undefined) resolve(Number(port));
    }),
  );
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

function sumOf(text: string, name: string, labels: readonly string[]): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
