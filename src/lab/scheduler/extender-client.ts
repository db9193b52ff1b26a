/**
 * kube-scheduler's client of an HTTP extender: same bodies, same order, same treatment of faults (scheduler-extender 1).
 * Filter calls come one after the other and see the earlier survivors; prioritize calls run together, and whatever goes
 * wrong in one of them only loses its scores.
 */
import { Agent, request } from 'undici';
import type { Node, Pod } from '../../api/kube.js';
import { table } from '../../base/errors.js';
import { isObject } from '../../base/json.js';
import type { ExtenderEntry } from './options.js';

export const extenderCallErrors = table({
  'extender-call': {
    status: 502,
    retryable: true,
    says: (m: { url: string; why: string }) =>
      `extender ${m.url}: ${m.why}; set ignorable: true to schedule without it`,
  },
});

export interface FilterAnswer {
  readonly names: readonly string[];
  /** Reason by node that the extender took out. */
  readonly failed: ReadonlyMap<string, string>;
}

export interface ExtenderClient {
  readonly entry: ExtenderEntry;
  isInterested(pod: Pod): boolean;
  filter(pod: Pod, nodes: readonly Node[]): Promise<FilterAnswer>;
  /** Points to add by node name: score times weight times ten. */
  prioritize(pod: Pod, nodes: readonly Node[]): Promise<ReadonlyMap<string, number>>;
  close(): Promise<void>;
}

/** Non-ignorable extenders are asked first, otherwise in the order of the configuration. */
export function connectExtenders(entries: readonly ExtenderEntry[]): readonly ExtenderClient[] {
  const inOrder = [...entries].sort((a, b) => Number(a.ignorable) - Number(b.ignorable));
  return inOrder.map(connect);
}

/** From 0..10 of the extender protocol to 0..100 of the scheduler's own plugins. */
const scale = 10;

function connect(entry: ExtenderEntry): ExtenderClient {
  const agent = new Agent({ connections: 2, keepAliveTimeout: 90_000 });
  const call = (verb: string, pod: Pod, nodes: readonly Node[]) =>
    post(agent, entry, verb, argumentsOf(entry, pod, nodes));
  return {
    entry,
    isInterested: (pod) =>
      entry.managedResources === undefined || entry.managedResources.some((name) => asksFor(pod, name)),
    async filter(pod, nodes) {
      if (entry.filterVerb === undefined) return { names: namesOf(nodes), failed: new Map() };
      return readFilter(entry, await call(entry.filterVerb, pod, nodes), namesOf(nodes));
    },
    async prioritize(pod, nodes) {
      if (entry.prioritizeVerb === undefined) return new Map();
      return readPriorities(entry, await call(entry.prioritizeVerb, pod, nodes));
    },
    close: () => agent.close(),
  };
}

function argumentsOf(entry: ExtenderEntry, pod: Pod, nodes: readonly Node[]) {
  // The scheduler's informer strips managedFields from pods and type fields from everything.
  const { managedFields: _, ...metadata } = pod.metadata;
  const { apiVersion: __, kind: ___, ...rest } = pod;
  return {
    Pod: { ...rest, metadata },
    Nodes: entry.nodeCacheCapable ? null : { metadata: {}, items: nodes },
    NodeNames: entry.nodeCacheCapable ? namesOf(nodes) : null,
  };
}

const namesOf = (nodes: readonly Node[]): string[] => nodes.map(({ metadata }) => metadata.name ?? '');

function asksFor({ spec }: Pod, name: string): boolean {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return containers.some(
    ({ resources }) => resources?.requests?.[name] !== undefined || resources?.limits?.[name] !== undefined,
  );
}

async function post(agent: Agent, entry: ExtenderEntry, verb: string, body: unknown): Promise<unknown> {
  const url = `${entry.urlPrefix.replace(/\/+$/, '')}/${verb}`;
  try {
    const response = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(entry.httpTimeout),
    });
    const text = await response.body.text();
    if (response.statusCode !== 200)
      throw extenderCallErrors('extender-call', { url, why: `code ${response.statusCode}` });
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof Error && error.name === 'TandemError') throw error;
    throw extenderCallErrors(
      'extender-call',
      { url, why: error instanceof Error ? error.message : String(error) },
      error,
    );
  }
}

/** ExtenderFilterResult: without a list of survivors there are none; a name that was not sent is an error. */
function readFilter(entry: ExtenderEntry, answer: unknown, sent: readonly string[]): FilterAnswer {
  if (!isObject(answer)) throw refused(entry, 'the answer is not an object');
  const error = member(answer, 'error');
  if (typeof error === 'string' && error !== '') throw refused(entry, error);
  const names = entry.nodeCacheCapable ? member(answer, 'nodenames') : namesInList(member(answer, 'nodes'));
  const kept = Array.isArray(names) ? names.map(String) : [];
  const unknown = kept.find((name) => !sent.includes(name));
  if (unknown !== undefined) throw refused(entry, `extender claims a filtered node "${unknown}" which is not found`);
  const reasons = [member(answer, 'failednodes'), member(answer, 'failedandunresolvablenodes')];
  return {
    names: kept,
    failed: new Map(reasons.flatMap((map) => Object.entries(isObject(map) ? map : {})).map(asText)),
  };
}

const asText = ([name, reason]: [string, unknown]): [string, string] => [name, String(reason)];

function namesInList(list: unknown): unknown {
  const items = isObject(list) ? list['items'] : undefined;
  return Array.isArray(items) ? namesOf(items as Node[]) : undefined;
}

/** HostPriorityList: one score that is not an integer loses the whole answer, as it does in Go. */
function readPriorities(entry: ExtenderEntry, answer: unknown): ReadonlyMap<string, number> {
  const rows = answer === null ? [] : answer;
  if (!Array.isArray(rows)) throw refused(entry, 'the answer is not a list');
  return new Map(
    rows.map((row: unknown): [string, number] => {
      const host = isObject(row) ? member(row, 'host') : undefined;
      const score = isObject(row) ? (member(row, 'score') ?? 0) : undefined;
      if (typeof host !== 'string' || !Number.isInteger(score)) throw refused(entry, 'a score is not an integer');
      return [host, Number(score) * entry.weight * scale];
    }),
  );
}

const refused = (entry: ExtenderEntry, why: string) =>
  extenderCallErrors('extender-call', { url: entry.urlPrefix, why });

/** Go matches member names without casing. */
function member(object: Record<string, unknown>, name: string): unknown {
  const key = Object.keys(object).find((key) => key.toLowerCase() === name);
  return key === undefined ? undefined : object[key];
}
