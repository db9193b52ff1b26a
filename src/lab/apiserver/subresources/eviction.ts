/** `pods/eviction`: a deletion that a PodDisruptionBudget may refuse. */
import type { Call } from '../call.js';
import type { ApiContext } from '../context.js';
import { deleteObject, deleteOptions } from '../delete.js';
import { at, type Dict, dictOf, isDict, numberOf } from '../object.js';
import { matchesLabelSelector } from '../selectors.js';
import { ApiError, notFound } from '../status.js';

/** Evicts and returns the Status of success. Throws 429 while a budget allows no disruption. */
export async function evictPod(ctx: ApiContext, call: Call & { name: string }, body: unknown): Promise<Dict> {
  const pod = ctx.store.get(call.type.bucket, `${call.namespace}/${call.name}`);
  if (pod === undefined) throw notFound(call.type, call.name);
  const budgets = ctx.store.list('poddisruptionbudgets.policy', call.namespace);
  const covering = budgets.filter((budget) => {
    const selector = at(budget, 'spec', 'selector');
    return isDict(selector) && matchesLabelSelector(selector, pod.metadata.labels ?? {});
  });
  for (const budget of covering) {
    if ((numberOf(at(budget, 'status', 'disruptionsAllowed')) ?? 0) > 0) continue;
    throw new ApiError(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
      causes: [
        {
          reason: 'DisruptionBudget',
          message: `The disruption budget ${budget.metadata.name} does not allow another disruption now`,
        },
      ],
    });
  }
  await deleteObject(ctx, call, deleteOptions(dictOf(body)['deleteOptions'], new URLSearchParams()));
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}
