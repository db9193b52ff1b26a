import type { ModelServing } from '../../api/types.js';
import type { Profiles } from '../profiles/types.js';
import { podsOf } from '../reading/serving.js';
import type { PodReading, RoleReading } from '../reading/types.js';
import { namedConnector } from './choose-profiles.js';
import type { PlannedRole } from './terse.js';
import type { ExpandProblem } from './types.js';

export interface ConnectorPlan {
  /** All templates with an engine that the user wrote: the sizes of one side are arguments of the other. */
  readonly known: readonly PlannedRole[];
  /** Those that get the connector. */
  readonly lacking: readonly PlannedRole[];
  readonly problems: readonly ExpandProblem[];
}

/**
 * Templates of a prefill or decode role whose engine moves no KV although `tandem.dev/connector` says how: their argument
 * list gets the connector. A script is never edited, so a command inside one is a problem; and nothing is known about a
 * command that cannot be read, not even that it lacks one.
 */
export function planConnectors(
  serving: ModelServing,
  roles: readonly RoleReading[],
  profiles: Profiles,
): ConnectorPlan {
  const known: PlannedRole[] = [];
  const lacking: PlannedRole[] = [];
  const problems: ExpandProblem[] = [];
  for (const role of roles) {
    for (const pod of podsOf(role)) {
      if (pod.engine.reading === 'opaque') continue;
      known.push(planned(role, pod));
      if (pod.connector || pod.side === 'aggregated') continue;
      const outcome = planOne(serving, role, pod, profiles);
      if (outcome && 'want' in outcome) problems.push(outcome);
      else if (outcome) lacking.push(outcome);
    }
  }
  return {
    known,
    lacking,
    problems: problems.filter(({ path }, at) => problems.findIndex((p) => p.path === path) === at),
  };
}

function planOne(
  serving: ModelServing,
  role: RoleReading,
  pod: PodReading,
  profiles: Profiles,
): PlannedRole | ExpandProblem | undefined {
  const { profile, reading } = pod.engine;
  const connector = namedConnector(serving, profile, profiles);
  if (connector === undefined || 'want' in connector) return connector;
  const whole = planned(role, pod);
  if (reading === 'exact') return { ...whole, choice: { ...whole.choice, connector } };
  const flag = profile.flags.kvTransferConfig ?? profile.flags.side ?? '';
  return {
    path: `${pod.containerPath}.args`,
    saw: `a shell script without --${flag}`,
    want: `the connector ${connector.name} in the arguments of the engine`,
    fix: `write --${flag} into the script, or give the arguments as a list`,
  };
}

function planned(role: RoleReading, pod: PodReading): PlannedRole {
  const { engine, devices, connector } = pod;
  const { tensorParallel, pipelineParallel, dataParallel, args, argPaths, servedNames } = engine;
  const flags = { args, at: argPaths, positional: [], servedNames };
  return {
    role,
    side: pod.side,
    place: pod.place,
    choice: { engine: engine.profile, connector: connector?.profile },
    size: { tensorParallel, pipelineParallel, dataParallel, devices: devices.count, words: [], flags },
    model: engine.model ?? '',
    bare: true,
  };
}
