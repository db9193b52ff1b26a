/**
 * Volcano's `prioritize` on the wire (scheduler-extender 2.3): `{"task": TaskInfo, "nodes": [NodeInfo] | null}` in,
 * `{"nodeScore": {...}, "errorMessage": ""}` out. Internal Go structs without JSON names, hence the casing.
 */
import type { Pod } from '../src/api/kube.js';
import { isObject } from '../src/base/json.js';
import { extenderErrors } from './errors.js';
import { readPod } from './kube-wire.js';

export interface VolcanoQuestion {
  readonly pod: Pod;
  readonly names: readonly string[];
  /** Node by pod uid of the tasks that this session has placed and not bound yet. */
  readonly placed: ReadonlyMap<string, string>;
}

/** Task states in which a node is chosen and the watch does not tell it yet: Allocated, Pipelined, Binding. */
const chosen = new Set([2, 4, 8]);

/** Reads a prioritize request; throws `wrong-shape` naming the member. */
export function readVolcanoQuestion(body: unknown): VolcanoQuestion {
  if (!isObject(body)) throw extenderErrors('wrong-shape', { where: 'the body', want: 'a JSON object' });
  const task = body['task'];
  const pod = readPod(isObject(task) ? task['Pod'] : undefined, 'task.Pod');
  const nodes = body['nodes'] ?? [];
  if (!Array.isArray(nodes))
    throw extenderErrors('wrong-shape', { where: 'nodes', want: 'a list of NodeInfo or null' });
  const infos = nodes.filter(isObject);
  const names = infos.map(({ Name: name }) => name).filter((name) => typeof name === 'string');
  return { pod, names, placed: new Map(infos.flatMap(placedOn)) };
}

/** nodeScore must be an object, and errorMessage empty: anything else keeps the pod from being scheduled. */
export function volcanoScores(names: readonly string[], score: (name: string) => number): string {
  return JSON.stringify({ nodeScore: Object.fromEntries(names.map((name) => [name, score(name)])), errorMessage: '' });
}

function placedOn(node: Record<string, unknown>): [string, string][] {
  const { Name: name, Tasks: tasks } = node;
  if (typeof name !== 'string' || !isObject(tasks)) return [];
  return Object.values(tasks).flatMap((task): [string, string][] => {
    if (!isObject(task) || !chosen.has(Number(task['Status'])) || typeof task['UID'] !== 'string') return [];
    return [[task['UID'], name]];
  });
}
