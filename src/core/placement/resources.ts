import type { Container, Pod, PodSpec, ResourceList } from '../../api/kube.js';
import { parseQuantity } from '../../base/quantity.js';

/** Amounts by resource name: cpu in millicores, everything else in whole units (bytes, devices, pods). */
export type Amounts = ReadonlyMap<string, number>;

export const nothing: Amounts = new Map();

/** Reads a resource list, each amount rounded up; a quantity that cannot be read counts as none. */
export function amountsOf(list: ResourceList | undefined): Amounts {
  const amounts = new Map<string, number>();
  for (const [name, quantity] of Object.entries(list ?? {})) {
    const nano = parseQuantity(quantity);
    if (nano !== undefined) amounts.set(name, ceilTo(nano, name === 'cpu' ? 1_000_000n : 1_000_000_000n));
  }
  return amounts;
}

/**
 * What a pod takes from its node, as kube-scheduler counts it: the containers and sidecars together, or the largest init
 * container with the sidecars started before it, whichever is more; then overhead; and one of `pods`.
 * A limit without a request counts as the request, as the API server defaults it.
 */
export function requestsOf(pod: Pod): Amounts {
  const own = podLevel(pod.spec);
  const total = new Map([...containersOf(pod.spec), ...own]);
  const overhead = pod.spec['overhead'] as ResourceList | undefined;
  return plus(plus(total, amountsOf(overhead)), new Map([['pods', 1]]));
}

/** Names of the resources that `free` has too little of, in the order of the request; empty when it fits. */
export function lacking(request: Amounts, free: Amounts): readonly string[] {
  const short: string[] = [];
  for (const [name, amount] of request) {
    if (amount > 0 && amount > (free.get(name) ?? 0)) short.push(name);
  }
  return short;
}

/** Whether `free` holds the whole request. */
export function fits(request: Amounts, free: Amounts): boolean {
  for (const [name, amount] of request) {
    if (amount > 0 && amount > (free.get(name) ?? 0)) return false;
  }
  return true;
}

export function plus(a: Amounts, b: Amounts): Amounts {
  if (b.size === 0) return a;
  const sum = new Map(a);
  for (const [name, amount] of b) sum.set(name, (sum.get(name) ?? 0) + amount);
  return sum;
}

export function minus(a: Amounts, b: Amounts): Amounts {
  if (b.size === 0) return a;
  const rest = new Map(a);
  for (const [name, amount] of b) rest.set(name, (rest.get(name) ?? 0) - amount);
  return rest;
}

/** The extended resources of a request: names with a domain, other than Kubernetes' own (`nvidia.com/gpu`, ...). */
export function devicesOf(amounts: Amounts): Amounts {
  return new Map([...amounts].filter(([name]) => name.includes('/') && !name.includes('kubernetes.io/')));
}

function containersOf(spec: PodSpec): Amounts {
  let sidecars: Amounts = nothing;
  let peak: Amounts = nothing;
  for (const container of spec.initContainers ?? []) {
    const request = requestOf(container);
    if (container.restartPolicy === 'Always') sidecars = plus(sidecars, request);
    peak = most(peak, container.restartPolicy === 'Always' ? sidecars : plus(sidecars, request));
  }
  const running = spec.containers.reduce((sum, container) => plus(sum, requestOf(container)), sidecars);
  return most(running, peak);
}

/** Resources given for the pod as a whole replace the sum over its containers. */
function podLevel(spec: PodSpec): Amounts {
  const resources = spec['resources'] as Container['resources'];
  return amountsOf({ ...resources?.limits, ...resources?.requests });
}

function requestOf({ resources }: Container): Amounts {
  return amountsOf({ ...resources?.limits, ...resources?.requests });
}

function most(a: Amounts, b: Amounts): Amounts {
  const result = new Map(a);
  for (const [name, amount] of b) result.set(name, Math.max(result.get(name) ?? 0, amount));
  return result;
}

function ceilTo(nano: bigint, unit: bigint): number {
  return Number(nano <= 0n ? nano / unit : (nano + unit - 1n) / unit);
}
