import type { Pod } from '../../api/kube.js';
import { labels, tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import { copyJson } from '../../base/json.js';
import type { Profiles } from '../profiles/types.js';
import { isWorkerPod, readPod } from '../reading/pod.js';
import { podsOf, readServing } from '../reading/serving.js';
import { countAt, listAt, objectAt, textAt } from '../reading/shape.js';
import type { PodPlace, PodReading } from '../reading/types.js';
import { askedOf } from './asked.js';
import { Draft } from './draft.js';
import { drainHook, drainOrder } from './drain.js';
import { kvFingerprint } from './fingerprint.js';
import { usesHostNetwork } from './host-ports.js';
import { noteAdditions } from './notes.js';
import { pinnedProfiles } from './pinned.js';
import { applyAdditions, completePod } from './run-steps.js';
import { argumentsFor, modeOf, planArguments, servingAsRun } from './serving.js';
import { slotAdditions } from './slot.js';
import { hostNetworkResolver, resolverAddition } from './steps/pod-level.js';
import type { PlannedRole } from './terse.js';
import type { Addition, ExpandSettings, Operation, Reason } from './types.js';

export interface PodContext {
  readonly profiles: Profiles;
  readonly settings: ExpandSettings;
  /** The serving that the pod belongs to; without it a pod gets what its own spec tells, and nothing of mode `pods`. */
  readonly serving?: ModelServing | undefined;
}

export interface ExpandedPod {
  readonly object: Pod;
  readonly patch: readonly Operation[];
  readonly reasons: readonly Reason[];
  /** For the person who created the pod. */
  readonly warnings: readonly string[];
}

/**
 * Completes a pod of a serving, whichever controller created it: identity labels for the router, the drain hook, the
 * scheduler that this installation has, and in mode `pods` all that the template would have got. Pure and idempotent.
 */
export const expandPod = (pod: Pod, given: PodContext): ExpandedPod => expandGivenPod(copyJson(pod), given);

/** The same for a pod that the caller gives away: it is completed itself, not a copy of it. */
export function expandGivenPod(pod: Pod, given: PodContext): ExpandedPod {
  const { serving } = given;
  const mode = serving ? modeOf(serving) : 'template';
  if (mode === 'off') return { object: pod, patch: [], reasons: [], warnings: [] };
  const run = runFor(pod, given);
  const { draft, role } = run;
  if (mode === 'pods' && serving) completeTemplate(run, serving);
  const reading = readPod(draft.object as unknown as Pod, run.context.profiles);
  if (reading) identify(run, reading);
  mapScheduler(run);
  warnOfHiddenPorts(run, reading);
  noteAdditions(draft, { reasons: run.reasons, names: ['', role] });
  return { object: draft.object as unknown as Pod, patch: draft.patch, reasons: run.reasons, warnings: run.warnings };
}

interface Run {
  readonly draft: Draft;
  readonly role: string;
  readonly context: PodContext;
  readonly reasons: Reason[];
  readonly warnings: string[];
}

function runFor(pod: Pod, given: PodContext): Run {
  const role = pod.metadata?.labels?.[labels.role] ?? '';
  const run: Run = { draft: new Draft(pod, 'given'), role, context: given, reasons: [], warnings: [] };
  if (!given.serving) return run;
  const { profiles, warnings } = pinnedProfiles(given.serving, given.profiles);
  // In mode `template` the user was told when the serving was applied.
  return { ...run, context: { ...given, profiles }, warnings: modeOf(given.serving) === 'pods' ? [...warnings] : [] };
}

/** Mode `pods`: what `expandServing` adds to templates, added to the pod. */
function completeTemplate({ draft, role, context, reasons }: Run, serving: ModelServing): void {
  const { profiles, settings } = context;
  const plan = planArguments(serving, readServing(serving, profiles).roles, profiles, settings);
  const place = placeOf(draft);
  const isThis = (planned: PlannedRole) => planned.role.name === role && planned.place === place;
  const terse = plan.roles.find(isThis);
  reasons.push(...applyAdditions('terse', argumentsFor(plan, settings, isThis), draft, [], role));
  reasons.push(...applyAdditions('slot', slotAdditions(draft.object as unknown as Pod, serving), draft, [], role));
  const pod = draft.object as unknown as Pod;
  const reading = readPod(pod, profiles);
  if (!reading) return;
  const whole = readServing(servingAsRun(serving, profiles, settings), profiles);
  const peers = whole.roles.flatMap(podsOf);
  const roleIndex = whole.roles.find(({ name }) => name === role)?.index ?? 0;
  const asked = askedOf(serving);
  const subject = { reading, template: pod, peers, profiles, settings, terse: terse !== undefined, asked, roleIndex };
  reasons.push(...completePod(subject, draft, [], role, () => readPod(pod, profiles)));
}

/** Labels that the router and the checks read, and the hook that lets the engine finish. */
function identify(run: Run, reading: PodReading): void {
  const { draft, role, reasons } = run;
  const grace = graceSeconds(run, reading);
  mapResolver(run, reading);
  // The router must find no worker: it knows one address for each role instance.
  if (reading.place === 'entry') {
    reasons.push(...applyAdditions('identity-labels', identityLabels(reading), draft, [], role));
  }
  const waitsFor = reading.place === 'entry' ? reading : entryReading(run);
  if (waitsFor === undefined || waitsFor.engine.reading === 'opaque') return;
  const { name, drain } = reading.engine.profile;
  const place = ['spec', 'containers', reading.containerIndex, 'lifecycle', 'preStop'];
  const hook: Addition = {
    kind: 'field',
    place,
    value: drainHook(drainOrder(waitsFor, grace, reading.servesHttp ? 'pod' : 'entry')),
    by: name,
    because: drain.because,
    source: drain.source,
  };
  reasons.push(...applyAdditions('drain', [hook], draft, [], role));
}

/** A worker that stops at once takes the requests of its entry pod with it, so it waits for what that one waits for. */
function entryReading({ role, context: { serving, profiles, settings } }: Run): PodReading | undefined {
  if (serving === undefined) return undefined;
  const { roles } = readServing(servingAsRun(serving, profiles, settings), profiles);
  return roles.find(({ name }) => name === role)?.pod;
}

const placeOf = (draft: Draft): PodPlace => (isWorkerPod(draft.object as unknown as Pod) ? 'worker' : 'entry');

function identityLabels(reading: PodReading): readonly Addition[] {
  const { connector } = reading;
  const profile = connector?.profile;
  const label = (key: string, value: string | undefined, because: string): Addition[] =>
    value === undefined
      ? []
      : [{ kind: 'field', place: ['metadata', 'labels', key], value, by: profile?.name ?? 'tandem', because }];
  return [
    ...label(tandemKeys.dialect.key, profile?.dialect, 'what the router says on the wire for this connector'),
    ...label(tandemKeys.connector.key, profile?.name, 'the connector that was read from the engine'),
    ...label(tandemKeys.kvFingerprint.key, kvFingerprint(reading), 'only engines with the same value may be paired'),
  ];
}

/** Kubernetes writes 30 into every pod before admission; a template that is silent means the profile's value. */
const kubernetesDefault = 30;

function graceSeconds({ draft, role, context, reasons }: Run, reading: PodReading): number {
  const { drain, name } = reading.engine.profile;
  const place = ['spec', 'terminationGracePeriodSeconds'] as const;
  const present = countAt(draft.object['spec'], 'terminationGracePeriodSeconds');
  const addition: Addition = {
    kind: 'field',
    place,
    value: drain.gracePeriodSeconds,
    by: name,
    because: drain.because,
    source: drain.source,
  };
  if (present === undefined) reasons.push(...applyAdditions('grace-period', [addition], draft, [], role));
  const silent = context.serving !== undefined && templateGrace(context.serving, role, reading.place) === undefined;
  if (present !== kubernetesDefault || !silent) return present ?? drain.gracePeriodSeconds;
  draft.replace(place, drain.gracePeriodSeconds);
  reasons.push(
    reasonFor('grace-period', role, 'terminationGracePeriodSeconds', String(drain.gracePeriodSeconds), addition),
  );
  return drain.gracePeriodSeconds;
}

const templateGrace = (serving: ModelServing, role: string, place: PodPlace): number | undefined =>
  countAt(templateSpec(serving, role, place), 'terminationGracePeriodSeconds');

function templateSpec(serving: ModelServing, role: string, place: PodPlace): object | undefined {
  const roles = listAt(objectAt(serving.spec, 'template'), 'roles');
  const written = roles.find((other) => textAt(other, 'name') === role);
  return objectAt(objectAt(written, `${place}Template`), 'spec');
}

/** Kubernetes writes ClusterFirst into every pod before admission; a template that is silent means what the host network needs. */
function mapResolver({ draft, role, context, reasons }: Run, reading: PodReading): void {
  if (!usesHostNetwork(reading.spec) || context.serving === undefined) return;
  const silent = textAt(templateSpec(context.serving, role, reading.place), 'dnsPolicy') === undefined;
  if (!silent || textAt(draft.object['spec'], 'dnsPolicy') !== 'ClusterFirst') return;
  draft.replace(['spec', 'dnsPolicy'], hostNetworkResolver);
  reasons.push(reasonFor('resolver', role, 'dnsPolicy', hostNetworkResolver, resolverAddition));
}

/** A cluster without Volcano never binds a pod that asks for it; the settings say who stands in, and the user is told. */
function mapScheduler({ draft, role, context, reasons, warnings }: Run): void {
  const asked = textAt(draft.object['spec'], 'schedulerName');
  const { schedulerNames } = context.settings;
  const instead = asked !== undefined && Object.hasOwn(schedulerNames, asked) ? schedulerNames[asked] : undefined;
  if (asked === undefined || instead === undefined || instead === asked) return;
  draft.replace(['spec', 'schedulerName'], instead);
  const because = `this installation maps scheduler ${asked} to ${instead}`;
  reasons.push(reasonFor('scheduler', role, 'schedulerName', instead, { by: 'tandem', because, source: undefined }));
  warnings.push(
    `spec.schedulerName ${asked} is replaced by ${instead}, because this cluster has no ${asked} (TND-114); install ${asked}, or name another stand-in with \`tandem webhook --scheduler NAME\``,
  );
}

/** Declared ports keep pods of the host network apart; what a command hides cannot be declared. */
function warnOfHiddenPorts({ warnings }: Run, reading: PodReading | undefined): void {
  if (!reading || !usesHostNetwork(reading.spec) || reading.engine.reading !== 'opaque') return;
  if (listAt(reading.container, 'ports').length > 0) return;
  warnings.push(
    `${reading.containerPath}: the pod uses the host network and its command cannot be read, so no port is declared and two ` +
      'such pods may meet on one node; declare containerPorts, or add a required podAntiAffinity',
  );
}

function reasonFor(
  step: string,
  role: string,
  field: string,
  value: string,
  why: Pick<Reason, 'by' | 'because' | 'source'>,
): Reason {
  return { step, role, field, value, place: ['spec', field], by: why.by, because: why.because, source: why.source };
}
