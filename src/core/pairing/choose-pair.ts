import type { Instant } from '../../base/clock.js';
import { distance } from '../placement/topology.js';
import type { Endpoint } from './endpoint.js';
import type { LoadTable } from './load.js';

export interface Pair {
  readonly prefill: Endpoint;
  readonly decode: Endpoint;
}

/** The serving pods of one ModelServer, sorted once per change of the cluster and not once per request. */
export interface Candidates {
  readonly groups: ReadonlyMap<string, Group>;
  /** Pods that take whole requests: they are in no role of a PD group. */
  readonly aggregated: readonly Endpoint[];
}

export interface Group {
  readonly prefill: readonly Endpoint[];
  readonly decode: readonly Endpoint[];
}

/** What the choice may look at besides the pods. */
export interface Asked {
  readonly load: LoadTable;
  readonly now: Instant;
  readonly promptBytes: number;
  /** Bytes of the prompt that a pod has already computed. */
  readonly prefix: ReadonlyMap<string, number>;
  /** Pods that must not be chosen: they have failed this very request. */
  readonly without: ReadonlySet<string>;
  /** In [0, 1): spreads equal choices. */
  readonly random: number;
}

/** Prompt bytes whose prefill weighs as much as one request in flight. */
const bytesPerRequest = 8192;
/** A link across zones (cost 50 on the ladder) weighs as much as five requests in flight. */
const linkWeight = 0.1;
/** More than any load: a pod that has just failed is the last choice, yet still one. */
const avoided = 1e6;
/** Per side of a group, how many of the best are looked at together: the joint search stays small in any cluster. */
const shortlist = 8;

/** Sorts serving pods into the groups in which pairs may be formed. */
export function candidatesOf(endpoints: readonly Endpoint[]): Candidates {
  const groups = new Map<string, { prefill: Endpoint[]; decode: Endpoint[] }>();
  const aggregated: Endpoint[] = [];
  for (const endpoint of endpoints) {
    if (endpoint.side === 'aggregated' || endpoint.group === undefined) {
      aggregated.push(endpoint);
      continue;
    }
    let group = groups.get(endpoint.group);
    if (!group) {
      group = { prefill: [], decode: [] };
      groups.set(endpoint.group, group);
    }
    group[endpoint.side].push(endpoint);
  }
  return { groups, aggregated };
}

/** The pair of least expected work, both pods of one group and of one KV fingerprint; or why there is none, for a person. */
export function choosePair(candidates: Candidates, asked: Asked): Pair | { readonly none: string } {
  let best: Scored | undefined;
  for (const group of candidates.groups.values()) best = bestInGroup(group, asked, best);
  return best?.pair ?? { none: whyNoPair(candidates, asked.without) };
}

/** The best decode pod for what this prefill pod has computed already; undefined when its group has none that may read it. */
export function pairFor({ groups }: Candidates, prefill: Endpoint, asked: Asked): Pair | undefined {
  const group = prefill.group === undefined ? undefined : groups.get(prefill.group);
  return group && bestInGroup({ prefill: [prefill], decode: group.decode }, asked, undefined)?.pair;
}

interface Scored {
  readonly pair: Pair;
  readonly cost: number;
}

/** The best pair of this group when it is better than `best`, else `best`. */
function bestInGroup(group: Group, asked: Asked, best: Scored | undefined): Scored | undefined {
  const decodes = cheapest(group.decode, asked, decodeCost);
  let found = best;
  for (const prefill of cheapest(group.prefill, asked, prefillCost)) {
    for (const decode of decodes) {
      if (!sameFingerprint(prefill.endpoint, decode.endpoint)) continue;
      const cost = prefill.cost + decode.cost + linkWeight * linkCost(prefill.endpoint, decode.endpoint);
      if (!found || cost < found.cost) found = { pair: { prefill: prefill.endpoint, decode: decode.endpoint }, cost };
    }
  }
  return found;
}

/** The pod of least load among those that may take a whole request. */
export function chooseOne(endpoints: readonly Endpoint[], asked: Asked): Endpoint | undefined {
  return cheapest(endpoints, asked, prefillCost)[0]?.endpoint;
}

/** Every decode pod of every group: they can compute a prompt themselves. */
export function decodePods(candidates: Candidates): readonly Endpoint[] {
  return [...candidates.groups.values()].flatMap(({ decode }) => decode);
}

type Cost = (endpoint: Endpoint, asked: Asked) => number;

const prefillCost: Cost = (endpoint, { load, prefix, promptBytes }) => {
  const { inFlight, queuedBytes } = load.of(endpoint);
  const toCompute = Math.max(0, promptBytes - (prefix.get(endpoint.uid) ?? 0));
  return inFlight + (queuedBytes + toCompute) / bytesPerRequest;
};

const decodeCost: Cost = (endpoint, { load }) => load.of(endpoint).inFlight;

/** Cheapest first; equal ones start at a random place, so that no pod is first by its name. */
function cheapest(endpoints: readonly Endpoint[], asked: Asked, costOf: Cost) {
  const scored: { endpoint: Endpoint; cost: number }[] = [];
  const start = Math.floor(asked.random * endpoints.length);
  for (let i = 0; i < endpoints.length; i += 1) {
    const endpoint = endpoints[(start + i) % endpoints.length];
    if (!endpoint || asked.without.has(endpoint.uid)) continue;
    const failed = asked.load.of(endpoint).avoidUntil > asked.now ? avoided : 0;
    scored.push({ endpoint, cost: costOf(endpoint, asked) + failed });
  }
  const sorted = inOrder(scored);
  return sorted.length > shortlist ? shortlisted(sorted) : sorted;
}

/** Two pods a side are the usual case; a general sort copies its input twice. */
function inOrder<T extends { cost: number }>(scored: T[]): T[] {
  if (scored.length > 2) return scored.sort((a, b) => a.cost - b.cost);
  const [first, second] = scored;
  return first && second && second.cost < first.cost ? [second, first] : scored;
}

/** The best few, and the best of each fingerprint: a rollout must not hide the only pods that fit together. */
function shortlisted<T extends { endpoint: Endpoint }>(scored: readonly T[]): readonly T[] {
  const seen = new Set<string | undefined>();
  return scored.filter(({ endpoint }, rank) => {
    const first = !seen.has(endpoint.fingerprint);
    seen.add(endpoint.fingerprint);
    return rank < shortlist || first;
  });
}

/** Unknown distances are all alike; only what labels tell makes a difference. */
function linkCost(a: Endpoint, b: Endpoint): number {
  const known = isKnown(a) && isKnown(b);
  return known ? distance(a.domains, b.domains) : 0;
}

function isKnown({ domains }: Endpoint): boolean {
  for (const _ in domains) return true;
  return false;
}

function sameFingerprint(a: Endpoint, b: Endpoint): boolean {
  return a.fingerprint === undefined || b.fingerprint === undefined || a.fingerprint === b.fingerprint;
}

function whyNoPair({ groups }: Candidates, without: ReadonlySet<string>): string {
  if (groups.size === 0) return 'no pod of a PD group is ready';
  const all = [...groups.values()];
  const prefill = all.some((group) => group.prefill.length > 0);
  const decode = all.some((group) => group.decode.length > 0);
  if (!prefill) return 'no prefill pod is ready';
  if (!decode) return 'no decode pod is ready';
  if (without.size > 0) return 'every ready pair has failed this request';
  const complete = all.some((group) => group.prefill.length > 0 && group.decode.length > 0);
  return complete
    ? 'prefill and decode pods have different KV fingerprints'
    : 'no group has both a prefill and a decode pod ready';
}
