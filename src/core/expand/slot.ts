import type { Pod } from '../../api/kube.js';
import { env, labels, ordinalOf } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import { countAt, listAt, objectAt, textAt } from '../reading/shape.js';
import type { Addition } from './types.js';

/**
 * A controller tells every container which pod of its role instance it is in. It cannot tell those that admission writes
 * into a pod of the terse form, so they are told here, from the names that the controller gave.
 */
export function slotAdditions(pod: Pod, serving: ModelServing): readonly Addition[] {
  const entries = slotOf(pod, serving);
  return (['initContainers', 'containers'] as const).flatMap((list) =>
    listAt(pod.spec, list).flatMap((_, index) =>
      entries.map(
        ([name, value]): Addition => ({
          kind: 'entry',
          list: ['spec', list, index, 'env'],
          key: 'name',
          value: { name, value },
          by: 'tandem',
          because: 'which pod of its role instance it is, as the controller tells containers that it knows',
          source: 'kthena-workload 2.3',
        }),
      ),
    ),
  );
}

function slotOf({ metadata }: Pod, serving: ModelServing): readonly (readonly [string, string])[] {
  const { [labels.role]: role, [labels.groupName]: group, [labels.roleId]: instance } = metadata.labels ?? {};
  const index = ordinalOf(metadata.name ?? '');
  if (group === undefined || instance === undefined || index === undefined) return [];
  const written = listAt(objectAt(serving.spec, 'template'), 'roles').find((one) => textAt(one, 'name') === role);
  const namespace = serving.metadata.namespace ?? 'default';
  return [
    [env.groupSize, String((countAt(written, 'workerReplicas') ?? 0) + 1)],
    [env.entryAddress, `${group}-${instance}-0.${namespace}`],
    [env.workerIndex, String(index)],
  ];
}
