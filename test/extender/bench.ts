/** An extender over stores that a test fills, and a client of it. */
import { readFile } from 'node:fs/promises';
import { type Agent, type IncomingMessage, request } from 'node:http';
import type { Test } from 'tap';
import { startExtender } from '../../extender/start.js';
import type { Node, Pod } from '../../src/api/kube.js';
import type { ModelServing } from '../../src/api/types.js';
import type { ObjectMap } from '../../src/kube/object-map.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { memoryStore } from '../build/cluster.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly json: unknown;
}

interface Bench {
  readonly nodes: ObjectMap<Node>;
  readonly pods: ObjectMap<Pod>;
  readonly servings: ObjectMap<ModelServing>;
  readonly address: { readonly host: string; readonly port: number };
  post(path: string, body: unknown): Promise<Answer>;
  get(path: string): Promise<Answer>;
  metric(line: RegExp): Promise<boolean>;
}

/** Arrays stand for synced stores; an absent one for a store that is not synced yet. */
export async function bench(
  t: Test,
  given: {
    readonly nodes?: readonly Node[];
    readonly pods?: readonly Pod[];
    readonly servings?: readonly ModelServing[];
    readonly deadline?: number;
    readonly now?: () => number;
  },
): Promise<Bench> {
  const stores = {
    nodes: memoryStore<Node>(given.nodes),
    pods: memoryStore<Pod>(given.pods),
    servings: memoryStore<ModelServing>(given.servings ?? []),
  };
  const end = new AbortController();
  const running = await startExtender(
    {
      ...stores,
      listen: { host: '127.0.0.1', port: 0 },
      logger: silentLogger,
      metrics: new Metrics(),
      ...(given.deadline !== undefined && { deadline: given.deadline }),
      ...(given.now && { clock: { now: given.now } }),
    },
    end.signal,
  );
  t.teardown(() => running.stop());
  const address = running.address ?? { host: '', port: 0 };
  const send = (method: string, path: string, body?: string) => exchange({ ...address, method, path }, body);
  return {
    ...stores,
    address,
    post: (path, body) => send('POST', path, typeof body === 'string' ? body : JSON.stringify(body)),
    get: (path) => send('GET', path),
    metric: async (line) => line.test((await send('GET', '/metrics')).text),
  };
}

export function exchange(
  options: {
    host: string;
    port: number;
    method: string;
    path: string;
    agent?: Agent;
    headers?: Record<string, string>;
  },
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined; // plain text of the probes
        }
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

export const recorded = async (name: string): Promise<string> =>
  readFile(new URL(`../../../test/fixtures/extender/${name}.json`, import.meta.url), 'utf8');
export const names = (nodes: readonly Node[]) => nodes.map(({ metadata }) => metadata.name ?? '');
export const zeros = (hosts: readonly string[]) => hosts.map((Host) => ({ Host, Score: 0 }));
export const asked = (pod: Pod, nodes: readonly string[]) => ({ Pod: pod, Nodes: null, NodeNames: nodes });
