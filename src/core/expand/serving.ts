import { tandemKeys } from '../../api/names.js';
import { mostRoles } from '../../api/schema.js';
import type { ModelServing } from '../../api/types.js';
import { copyJson, isObject } from '../../base/json.js';
import type { Profiles } from '../profiles/types.js';
import { podsOf, readRoleAt, readServing } from '../reading/serving.js';
import { listAt, objectAt } from '../reading/shape.js';
import type { PodPlace, PodReading, RoleReading, ServingReading } from '../reading/types.js';
import { askedOf, askedProblems } from './asked.js';
import { annotationPath, annotationsOf } from './choose-profiles.js';
import { Draft } from './draft.js';
import { planConnectors } from './hand-written.js';
import { noteAdditions, pinProfiles } from './notes.js';
import { pinnedProfiles } from './pinned.js';
import { planTerse } from './plan-terse.js';
import { applyAdditions, completePod } from './run-steps.js';
import { connectorArguments, type PlannedRole, type TerseRole } from './terse.js';
import { terseAdditions } from './terse-pod.js';
import type {
  Addition,
  ExpandedTemplates,
  ExpandProblem,
  ExpandSettings,
  Operation,
  Place,
  Reason,
  TemplateAdditions,
} from './types.js';

export const modes = ['template', 'pods', 'off'] as const;
export type Mode = (typeof modes)[number];

export interface ExpandedServing {
  readonly object: ModelServing;
  readonly patch: readonly Operation[];
  readonly reasons: readonly Reason[];
  /** What the user asked for and cannot be done; the roles concerned are left as they are. */
  readonly problems: readonly ExpandProblem[];
  /** What the user should know although it was done. */
  readonly warnings: readonly string[];
  readonly mode: Mode;
}

/** `tandem.dev/expand` of a serving: `template` when absent or unknown. */
export function modeOf(serving: ModelServing): Mode {
  const said = annotationsOf(serving)[tandemKeys.expand.key];
  return modes.find((mode) => mode === said) ?? 'template';
}

/**
 * Completes a serving from profiles: adds what is absent, with a reason, and never replaces what the user wrote.
 * Pure and idempotent. In mode `pods` only the pin is written, and `expandPod` does the rest; in mode `off` nothing.
 */
export function expandServing(serving: ModelServing, current: Profiles, settings: ExpandSettings): ExpandedServing {
  const object = modeOf(serving) === 'off' ? serving : copyJson(serving);
  const { templates, metadata, ...rest } = additionsTo(object, current, settings, expandTemplates);
  return { object, patch: [...(templates?.patch ?? []), ...metadata], reasons: templates?.reasons ?? [], ...rest };
}

export interface ServingAdditions<T extends TemplateAdditions>
  extends Pick<ExpandedServing, 'problems' | 'warnings' | 'mode'> {
  /** What the templates get; undefined where they get nothing here. */
  readonly templates: T | undefined;
  readonly metadata: readonly Operation[];
}

/** @param written see `templatesOf`; grows, or is thrown away */
export type AddToTemplates<T extends TemplateAdditions> = (
  written: ModelServing,
  profiles: Profiles,
  settings: ExpandSettings,
) => T;

/** What a serving gets, which the caller gives away: its metadata grow here, and its templates as `addToTemplates` likes. */
export function additionsTo<T extends TemplateAdditions>(
  serving: ModelServing,
  current: Profiles,
  settings: ExpandSettings,
  addToTemplates: AddToTemplates<T>,
): ServingAdditions<T> {
  const mode = modeOf(serving);
  const nothing = { templates: undefined, metadata: [], problems: [], warnings: [], mode };
  if (hasTooManyRoles(serving)) return nothing;
  const problems = [...modeProblems(serving), ...askedProblems(serving, current)];
  if (mode === 'off') return { ...nothing, problems };
  const { profiles, warnings } = pinnedProfiles(serving, current);
  const written = templatesOf(serving);
  const whole = addToTemplates(mode === 'pods' ? copyJson(written) : written, profiles, settings);
  problems.push(...whole.problems);
  const draft = new Draft(serving, 'given');
  if (mode === 'template') noteAdditions(draft, whole);
  pinProfiles(draft, profiles, whole.profileNames);
  return { templates: mode === 'template' ? whole : undefined, metadata: draft.patch, problems, warnings, mode };
}

/** What the expansion of the templates depends on beside profiles and settings: nothing else of the serving is read. */
export const templatesOf = (serving: ModelServing): ModelServing => {
  const asked = Object.entries(annotationsOf(serving)).filter(([key]) => key.startsWith(prefix) && !written.has(key));
  const { template, schedulerName } = isObject(serving.spec) ? serving.spec : {};
  const spec = { template, schedulerName };
  return { metadata: { annotations: Object.fromEntries(asked) }, spec } as unknown as ModelServing;
};

const prefix = 'tandem.dev/';
/** Ours, but not what anybody asks by. */
const written: ReadonlySet<string> = new Set([tandemKeys.expanded.key, tandemKeys.profiles.key]);

/** An API server counts the roles only after mutation, and refuses these then. */
const hasTooManyRoles = ({ spec }: ModelServing): boolean =>
  listAt(objectAt(spec, 'template'), 'roles').length > mostRoles;

/**
 * The serving as its pods will be, whatever its mode: what checks judge, so that a finding does not depend on where the
 * expansion happens. In mode `off` that is the serving as it is.
 */
export function servingAsRun(serving: ModelServing, current: Profiles, settings: ExpandSettings): ModelServing {
  if (modeOf(serving) === 'off' || hasTooManyRoles(serving)) return serving;
  const { profiles } = pinnedProfiles(serving, current);
  const copy = copyJson(serving);
  expandTemplates(templatesOf(copy), profiles, settings);
  return copy;
}

/** The same, read with the profiles that the serving is pinned to. */
export const readAsRun = (serving: ModelServing, current: Profiles, settings: ExpandSettings): ServingReading =>
  readServing(servingAsRun(serving, current, settings), pinnedProfiles(serving, current).profiles);

const profileNames = ({ devices, engine, connector }: PodReading): string[] =>
  [devices.profile?.name, engine.profile.name, connector?.profile?.name].filter((name) => name !== undefined);

function modeProblems(serving: ModelServing): ExpandProblem[] {
  const { key } = tandemKeys.expand;
  const said = annotationsOf(serving)[key];
  if (said === undefined || modes.some((mode) => mode === said)) return [];
  return [
    {
      path: annotationPath(key),
      saw: said,
      want: `one of ${modes.join(', ')}`,
      fix: 'correct the value; `template` is used until then',
    },
  ];
}

/** Completes the templates of a serving that nobody else uses any more. */
export function expandTemplates(
  serving: ModelServing,
  profiles: Profiles,
  settings: ExpandSettings,
): ExpandedTemplates {
  const draft = new Draft(serving, 'given');
  const readDraft = () => readServing(draft.object as unknown as ModelServing, profiles).roles;
  const written = readDraft();
  const plan = planArguments(serving, written, profiles, settings);
  const asked = askedOf(serving);
  const reasons = [...writeArguments(plan, draft, settings)];
  const roles = reasons.length > 0 ? readDraft() : written;
  const peers = roles.flatMap(podsOf);
  for (const role of roles) {
    for (const place of ['entry', 'worker'] as const) {
      const { pod, template } = templateOf(role, place);
      if (!pod || !template) continue;
      const terse = plan.roles.some((planned) => planned.role.index === role.index && planned.place === place);
      const subject = { reading: pod, template, peers, profiles, settings, terse, asked, roleIndex: role.index };
      const read = () => {
        const again = readRoleAt(draft.object as unknown as ModelServing, role.index, profiles);
        return again && templateOf(again, place).pod;
      };
      reasons.push(...completePod(subject, draft, templatePlace(role, place), spellRole(role.name, place), read));
    }
    if (role.pod) reasons.push(...workers(role, draft));
  }
  const names = ['', ...roles.flatMap(({ name }) => [name, spellRole(name, 'worker')])];
  return { patch: draft.patch, reasons, problems: plan.problems, names, profileNames: peers.flatMap(profileNames) };
}

/** Which templates get containers or arguments, and what stands in the way. */
export interface ArgumentPlan {
  readonly roles: readonly TerseRole[];
  readonly lacking: readonly PlannedRole[];
  /** Both, and the templates that lack nothing. */
  readonly all: readonly PlannedRole[];
  readonly problems: readonly ExpandProblem[];
}

export function planArguments(
  serving: ModelServing,
  roles: readonly RoleReading[],
  profiles: Profiles,
  settings: ExpandSettings,
): ArgumentPlan {
  const terse = planTerse(serving, roles, profiles, settings);
  const written = planConnectors(
    serving,
    roles.filter((role) => !terse.indexes.has(role.index)),
    profiles,
  );
  return {
    roles: terse.roles,
    lacking: written.lacking,
    all: [...terse.roles, ...written.known],
    problems: [...terse.problems, ...written.problems],
  };
}

/** What the plan adds to one template. */
export const argumentsFor = (
  { roles, lacking, all }: ArgumentPlan,
  settings: ExpandSettings,
  is: (planned: PlannedRole) => boolean,
): readonly Addition[] => [
  ...roles.filter(is).flatMap((terse) => terseAdditions(terse, all, settings)),
  ...lacking.filter(is).flatMap((planned) => connectorArguments(planned, all)),
];

function* writeArguments(plan: ArgumentPlan, draft: Draft, settings: ExpandSettings): Iterable<Reason> {
  for (const terse of [...plan.roles, ...plan.lacking]) {
    const additions = argumentsFor(plan, settings, (planned) => planned === terse);
    const place = templatePlace(terse.role, terse.place);
    yield* applyAdditions('terse', additions, draft, place, spellRole(terse.role.name, terse.place));
  }
}

const rolePlace = ({ index }: RoleReading): Place => ['spec', 'template', 'roles', index];
const templatePlace = (role: RoleReading, place: PodPlace): Place => [...rolePlace(role), `${place}Template`];

export const templateOf = ({ pod, template, worker, workerTemplate }: RoleReading, place: PodPlace) =>
  place === 'entry' ? { pod, template } : { pod: worker, template: workerTemplate };

/** How reasons and notes name the template: its role, and for the workers' template that it is theirs. */
export const spellRole = (role: string, place: PodPlace): string => (place === 'entry' ? role : `${role} workers`);

/** Kthena's own schema refuses a role that does not say how many workers it has. */
function workers(role: RoleReading, draft: Draft): readonly Reason[] {
  const because = "a role without workers says so; Kthena's schema requires the field";
  const addition = {
    kind: 'field',
    place: ['workerReplicas'],
    value: 0,
    by: 'tandem',
    because,
    source: 'kthena-workload 1',
  } as const;
  return applyAdditions('workers', [addition], draft, rolePlace(role), role.name);
}
