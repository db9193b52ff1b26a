import type { Node, Pod } from '../../api/kube.js';
import { describeError } from '../../base/errors.js';
import type { NodeState } from '../../core/placement/node-state.js';
import { requestsOf } from '../../core/placement/resources.js';
import type { Logger } from '../../telemetry/log.js';
import type { ExtenderClient } from './extender-client.js';
import { refusals, type Taken, unavailable } from './filters.js';
import { ownScores } from './scores.js';

export interface Attempt {
  readonly pod: Pod;
  readonly nodes: readonly NodeState[];
  readonly takenOn: (node: string) => Taken;
  readonly extenders: readonly ExtenderClient[];
  readonly random: () => number;
  readonly logger: Logger;
}

export type Outcome =
  | { readonly is: 'chosen'; readonly node: string }
  | { readonly is: 'unschedulable'; readonly message: string }
  | { readonly is: 'failed'; readonly message: string };

/**
 * One scheduling attempt in kube-scheduler's order: the nominated node alone, else all nodes; own filters, extender filters,
 * own scores, extender scores. Nobody is asked for scores when one node is left.
 */
export async function attempt(input: Attempt): Promise<Outcome> {
  const interested = input.extenders.filter((extender) => extender.isInterested(input.pod));
  const asked = { ...input, extenders: interested };
  const nominated = input.nodes.find(({ name }) => name === input.pod.status?.nominatedNodeName);
  try {
    if (nominated !== undefined) {
      const { feasible } = await feasibleNodes({ ...asked, nodes: [nominated] });
      if (feasible.length === 1) return { is: 'chosen', node: nominated.name };
    }
    const { feasible, reasons } = await feasibleNodes(asked);
    if (feasible.length === 0) return { is: 'unschedulable', message: unavailable(input.nodes.length, reasons) };
    const [only] = feasible;
    if (feasible.length === 1 && only !== undefined) return { is: 'chosen', node: only.name };
    return { is: 'chosen', node: await best(asked, feasible) };
  } catch (error) {
    return { is: 'failed', message: describeError(error) };
  }
}

async function feasibleNodes(
  input: Attempt,
): Promise<{ feasible: readonly NodeState[]; reasons: Map<string, number> }> {
  const request = requestsOf(input.pod);
  const reasons = new Map<string, number>();
  const count = (reason: string) => reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  let feasible = input.nodes.filter((node) => {
    const refused = refusals(input.pod, request, node, input.takenOn(node.name));
    for (const reason of refused) count(reason);
    return refused.length === 0;
  });
  for (const extender of input.extenders) {
    if (feasible.length === 0) break;
    feasible = await filterBy(extender, input, feasible, count);
  }
  return { feasible, reasons };
}

async function filterBy(
  extender: ExtenderClient,
  { pod, logger }: Attempt,
  feasible: readonly NodeState[],
  count: (reason: string) => void,
): Promise<NodeState[]> {
  try {
    const { names, failed } = await extender.filter(pod, objectsOf(feasible));
    for (const reason of failed.values()) count(reason);
    const kept = new Set(names);
    return feasible.filter(({ name }) => kept.has(name));
  } catch (error) {
    if (!extender.entry.ignorable) throw error;
    logger.warn({ pod: pod.metadata.name, error: describeError(error) }, 'skipping an extender that is ignorable');
    return [...feasible];
  }
}

async function best(input: Attempt, feasible: readonly NodeState[]): Promise<string> {
  const own = ownScores(input.pod, requestsOf(input.pod), feasible);
  const extra = await Promise.all(input.extenders.map((extender) => prioritizeBy(extender, input, feasible)));
  const total = (name: string) =>
    (own.get(name) ?? 0) + extra.reduce((sum, points) => sum + (points.get(name) ?? 0), 0);
  const totals = feasible.map(({ name }) => ({ name, points: total(name) }));
  const most = Math.max(...totals.map(({ points }) => points));
  const winners = totals.filter(({ points }) => points === most);
  const winner = winners[Math.floor(input.random() * winners.length)] ?? winners[0];
  return winner?.name ?? '';
}

async function prioritizeBy(
  extender: ExtenderClient,
  { pod, logger }: Attempt,
  feasible: readonly NodeState[],
): Promise<ReadonlyMap<string, number>> {
  try {
    return await extender.prioritize(pod, objectsOf(feasible));
  } catch (error) {
    logger.debug({ pod: pod.metadata.name, error: describeError(error) }, 'an extender gave no scores');
    return new Map();
  }
}

const objectsOf = (states: readonly NodeState[]): Node[] => states.map(({ node }) => node);
