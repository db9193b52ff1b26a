/** What `kubectl describe` tells about role instances: an Event for each change of these states, as Kthena sends them. */
import { groupName, roleId } from '../../api/names.js';
import type { Desired } from './desired.js';
import { arrange, type Instance, isVanishing } from './groups.js';
import type { Observed } from './observed.js';
import { readRevisions } from './revisions.js';

export type RoleState = 'Creating' | 'Running' | 'Deleting';

export interface RoleChange {
  /** `RoleCreating`, `RoleRunning`, `RoleDeleting`. */
  readonly reason: `Role${RoleState}`;
  readonly message: string;
}

/** The state of each role instance by `<group>/<role-id>`. */
export function roleStates(observed: Observed, desired: Desired): Map<string, RoleState> {
  const groups = arrange({ observed, desired, revisions: readRevisions(observed, desired) }, observed.pods);
  const instances = groups.flatMap((group) => group.instances);
  return new Map(instances.map((instance) => [nameOf(desired, instance), stateOf(instance)]));
}

export function roleChanges(
  before: ReadonlyMap<string, RoleState>,
  after: ReadonlyMap<string, RoleState>,
): RoleChange[] {
  return [...after].flatMap(([name, state]) => {
    if (before.get(name) === state) return [];
    const [group = '', id = ''] = name.split('/');
    const role = id.replace(/-\d+$/, '');
    return [{ reason: `Role${state}`, message: `Role ${role}/${id} in ServingGroup ${group} is now ${state}` }];
  });
}

const nameOf = ({ name }: Desired, instance: Instance): string =>
  `${groupName(name, instance.group)}/${roleId(instance.role, instance.ordinal)}`;

function stateOf(instance: Instance): RoleState {
  if (isVanishing(instance)) return 'Deleting';
  return instance.ready ? 'Running' : 'Creating';
}
