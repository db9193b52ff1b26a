import { tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { Profiles } from '../profiles/types.js';
import { sideByName } from '../reading/pod.js';
import { listAt, objectAt } from '../reading/shape.js';
import type { PodReading, RoleReading } from '../reading/types.js';
import { askedOf } from './asked.js';
import { annotationPath, annotationsOf, type Choice, chooseProfiles } from './choose-profiles.js';
import { podsPerInstance, ranksOf, type TerseRole } from './terse.js';
import { readTerseSize } from './terse-size.js';
import type { ExpandProblem, ExpandSettings } from './types.js';

export interface TersePlan {
  /** Positions of the roles that are written in the terse form, also where problems keep them from being made. */
  readonly indexes: ReadonlySet<number>;
  readonly roles: readonly TerseRole[];
  readonly problems: readonly ExpandProblem[];
}

/** Which roles are written in the terse form, and what they say. A role with any other container stays as it is. */
export function planTerse(
  serving: ModelServing,
  roles: readonly RoleReading[],
  profiles: Profiles,
  settings: ExpandSettings,
): TersePlan {
  const terse = roles.filter((role) => isEmpty(role) || isBare(role));
  const model = annotationsOf(serving)[tandemKeys.model.key];
  if (terse.length === 0 || (model === undefined && !terse.some(isEmpty))) return nothingTerse;
  const indexes = new Set(terse.map(({ index }) => index));
  const wrong = modelProblem(model);
  if (wrong || model === undefined) return { indexes, roles: [], problems: wrong ? [wrong] : [] };
  const outcomes = terse.map((role) => planRole(role, serving, model, profiles, settings));
  const problems = unique(outcomes.flatMap(({ problems }) => problems));
  return { indexes, roles: problems.length > 0 ? [] : outcomes.flatMap(({ planned }) => planned), problems };
}

interface RolePlan {
  readonly planned: readonly TerseRole[];
  readonly problems: readonly ExpandProblem[];
}

/** A role without containers is what the annotations say; of one with a bare container the container itself says more. */
function planRole(
  role: RoleReading,
  serving: ModelServing,
  model: string,
  profiles: Profiles,
  settings: ExpandSettings,
): RolePlan {
  const empty = isEmpty(role);
  const choice = chooseProfiles(serving, profiles, empty ? undefined : role.pod);
  if ('want' in choice) return { planned: [], problems: [choice] };
  const read = readTerseSize(serving, role.template, `${role.path}.entryTemplate`, choice.engine);
  const { options } = askedOf(serving);
  const made = { role, side: sideByName(role.name), choice, size: read.size, model, options };
  const entry: TerseRole = { ...made, place: 'entry', bare: isBare(role) };
  const worker = role.workerReplicas > 0 && (hasNothing(role.workerTemplate) || isBarePod(role.worker));
  return {
    planned: worker ? [entry, { ...made, place: 'worker', bare: isBarePod(role.worker) }] : [entry],
    problems: [...(empty ? imageProblems(choice, settings) : []), ...read.problems, ...shareProblems(entry)],
  };
}

/** What several roles have in common is said once. */
const unique = (problems: readonly ExpandProblem[]): readonly ExpandProblem[] =>
  problems.filter(({ path, saw }, at) => problems.findIndex((one) => one.path === path && one.saw === saw) === at);

const nothingTerse: TersePlan = { indexes: new Set(), roles: [], problems: [] };

const hasNothing = (template: unknown): boolean => listAt(objectAt(template, 'spec'), 'containers').length === 0;
const isEmpty = ({ template }: RoleReading): boolean => hasNothing(template);

const isBarePod = (pod: PodReading | undefined): boolean =>
  pod !== undefined && listAt(pod.container, 'command').length === 0 && listAt(pod.container, 'args').length === 0;
const isBare = ({ pod }: RoleReading): boolean => isBarePod(pod);

/** Every pod of an instance holds the same number of ranks, and whole replicas where there are several. */
function shareProblems(terse: TerseRole): readonly ExpandProblem[] {
  const { role, size } = terse;
  const pods = podsPerInstance(terse);
  const shared = size.dataParallel > 1 ? size.dataParallel : ranksOf(terse);
  if (pods === 1 || shared % pods === 0) return [];
  const what = size.dataParallel > 1 ? 'data-parallel ranks' : 'ranks (tensor × pipeline parallel)';
  const fix = `change workerReplicas, or a size so that ${pods} pods (the entry and ${role.workerReplicas} workers) share it evenly`;
  return [
    {
      path: `${role.path}.workerReplicas`,
      saw: role.workerReplicas,
      want: `a number of pods that divides ${shared} ${what}`,
      fix,
    },
  ];
}

/** A connector that the engine's image lacks needs another image, and one that is not known is not made up. */
function imageProblems({ connector, accelerator, engine }: Choice, settings: ExpandSettings): readonly ExpandProblem[] {
  if (!connector?.images || settings.images[engine.name] !== undefined) return [];
  if (Object.hasOwn(connector.images, accelerator.name)) return [];
  const known = Object.keys(connector.images).join(', ');
  return [
    {
      path: annotationPath(tandemKeys.connector.key),
      saw: connector.name,
      want: `a connector with a known image for ${accelerator.name}; it has one for ${known}`,
      fix: `give each role a container with name and image only, of ${engine.name} with ${connector.name}: the rest is filled in`,
    },
  ];
}

function modelProblem(model: string | undefined): ExpandProblem | undefined {
  const path = annotationPath(tandemKeys.model.key);
  if (model === undefined) {
    return {
      path,
      saw: undefined,
      want: 'a model for the roles without containers',
      fix: 'add the annotation, e.g. Qwen/Qwen3-0.6B, or write the containers',
    };
  }
  if (/^[\w.:@/-]+$/.test(model) && !model.split('/').includes('..')) return undefined;
  return {
    path,
    saw: model,
    want: 'a model id, a source such as hf://ORG/NAME, or an absolute path',
    fix: 'remove other characters and ".."',
  };
}
