/**
 * kube-scheduler's extender v1 on the wire (k8s.io/kube-scheduler/extender/v1; scheduler-extender 1.4, 1.5). Go reads
 * member names in any casing and old schedulers wrote them in lower case, so names are matched without casing here too.
 */
import type { Node, Pod } from '../src/api/kube.js';
import { isObject } from '../src/base/json.js';
import { extenderErrors } from './errors.js';

export interface Arguments {
  readonly pod: Pod;
  readonly names: readonly string[];
  /** Whole nodes, when the scheduler is configured with `nodeCacheCapable: false`. */
  readonly nodes: readonly Node[] | undefined;
}

/** Reads ExtenderArgs; throws `wrong-shape` naming the member. */
export function readArguments(body: unknown): Arguments {
  const pod = readPod(member(body, 'pod'), 'Pod');
  const list = member(body, 'nodes');
  const nodes = list === undefined || list === null ? undefined : readNodes(list);
  const names = member(body, 'nodenames');
  if (nodes !== undefined) return { pod, nodes, names: nodes.map(({ metadata }) => metadata.name ?? '') };
  return { pod, nodes, names: names === undefined || names === null ? [] : readNames(names) };
}

/** A Pod that has at least what every Pod has; throws `wrong-shape`. */
export function readPod(value: unknown, where: string): Pod {
  const isPod =
    isObject(value) &&
    isObject(value['metadata']) &&
    typeof value['metadata']['name'] === 'string' &&
    isObject(value['spec']) &&
    Array.isArray(value['spec']['containers']);
  if (!isPod) throw extenderErrors('wrong-shape', { where, want: 'a Pod with metadata.name and spec.containers' });
  return value as unknown as Pod;
}

/** HostPriorityList: every name once, integers only, because one fraction makes Go drop the whole answer. */
export function hostPriorities(names: readonly string[], score: (name: string) => number): string {
  return JSON.stringify(names.map((name) => ({ Host: name, Score: Math.round(score(name)) })));
}

/** ExtenderFilterResult. The survivors go where the nodes came from: a null list there would mean that no node is left. */
export function filterResult(
  { names, nodes }: Arguments,
  allowed: readonly string[],
  rejected: { readonly failed: ReadonlyMap<string, string>; readonly unresolvable: ReadonlyMap<string, string> },
): string {
  const kept = new Set(allowed);
  const survivors = nodes?.filter(({ metadata }) => kept.has(metadata.name ?? ''));
  return JSON.stringify({
    Nodes: survivors === undefined ? null : { metadata: {}, items: survivors },
    NodeNames: nodes === undefined ? names.filter((name) => kept.has(name)) : null,
    FailedNodes: Object.fromEntries(rejected.failed),
    FailedAndUnresolvableNodes: Object.fromEntries(rejected.unresolvable),
    Error: '',
  });
}

function readNodes(value: unknown): readonly Node[] {
  const items = member(value, 'items');
  const isList = items === null || (Array.isArray(items) && items.every(isNamed));
  if (!isList)
    throw extenderErrors('wrong-shape', { where: 'Nodes.items', want: 'a list of Nodes with metadata.name' });
  return (items ?? []) as readonly Node[];
}

function readNames(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw extenderErrors('wrong-shape', { where: 'NodeNames', want: 'a list of strings' });
}

const isNamed = (value: unknown): boolean =>
  isObject(value) && isObject(value['metadata']) && typeof value['metadata']['name'] === 'string';

/** A member by name without casing; the body itself must be an object. */
function member(value: unknown, name: string): unknown {
  if (!isObject(value)) throw extenderErrors('wrong-shape', { where: 'the body', want: 'a JSON object' });
  const key = Object.keys(value).find((key) => key.toLowerCase() === name);
  return key === undefined ? undefined : value[key];
}
