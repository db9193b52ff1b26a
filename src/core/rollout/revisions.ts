/**
 * Which revision does a pod have? Its label is only a name: equal templates under any name are the same revision, so a
 * change of controller, of its version or of its hash restarts nothing.
 */

import type { Role } from '../../api/types.js';
import { revisionHash, sameTemplates } from './canonical-role.js';
import { type Desired, type Revision, revisionOf } from './desired.js';
import { inputsAgree } from './expansion-inputs.js';
import type { Observed, PodFact, RevisionFact } from './observed.js';
import type { Step } from './step.js';

export interface Revisions {
  /** What new pods are built from, under the name that equal existing pods carry. */
  readonly desired: Revision;
  named(name: string | undefined): Revision | undefined;
  /** True when the pod has the desired template of its role. */
  hasDesiredRole(pod: PodFact): boolean;
  /** True when the pod belongs to the desired revision as a whole. */
  isDesired(pod: PodFact): boolean;
}

export function readRevisions(observed: Observed, { revision: ownName }: Desired): Revisions {
  const known = new Map(
    observed.revisions.map((fact) => [fact.revision, revisionOf(fact.revision, fact.templates, fact.inputs)]),
  );
  const desired = { ...ownName, name: adoptedName(observed, ownName) };
  known.set(desired.name, desired);
  const wantedHash = new Map(desired.roles.map((role) => [role.name, role.hash]));
  const equal = equalRoles(observed.revisions, desired);
  const aliases = aliasesOf(observed.pods, equal);

  const hasDesiredRole = ({ slot, revision, roleHash: label }: PodFact): boolean => {
    const wanted = wantedHash.get(slot.role);
    if (wanted === undefined) return false;
    if (revision === desired.name || label === wanted) return true;
    return equal.has(`${revision}/${slot.role}`) || aliases.has(`${slot.role}/${label}`);
  };
  return {
    desired,
    named: (name) => (name === undefined ? undefined : known.get(name)),
    hasDesiredRole,
    isDesired(pod) {
      if (pod.revision === desired.name) return true;
      const own = known.get(pod.revision ?? '');
      return hasDesiredRole(pod) && (own === undefined || sameNames(own, desired));
    },
  };
}

/** Writes the revision before any pod refers to it, and drops those that no pod, status or spec refers to. */
export function planRevisions(observed: Observed, desired: Desired, revisions: Revisions): Step[] {
  const used = new Set([revisions.desired.name, desired.currentRevision, ...observed.pods.map((pod) => pod.revision)]);
  const stored = observed.revisions.find((fact) => fact.revision === revisions.desired.name);
  const create: Step[] = stored ? [] : [{ do: 'create-revision', revision: revisions.desired }];
  const { inputs } = revisions.desired;
  const record: Step[] =
    stored && stored.inputs === undefined && inputs
      ? [{ do: 'record-inputs', name: stored.name, uid: stored.uid, inputs }]
      : [];
  const unused = observed.revisions.filter((fact) => !used.has(fact.revision) && !fact.terminating);
  return [...create, ...record, ...unused.map(({ name, uid }): Step => ({ do: 'delete-revision', name, uid }))];
}

/** The name under which the desired templates already exist, most used first; else their own hash. */
function adoptedName(observed: Observed, own: Revision): string {
  const uses = (fact: RevisionFact) => observed.pods.filter((pod) => pod.revision === fact.revision).length;
  const equal = observed.revisions
    .filter((fact) => fact.revision === own.name || isEqual(fact, own))
    .sort(
      (a, b) =>
        uses(b) - uses(a) ||
        Number(b.revision === own.name) - Number(a.revision === own.name) ||
        compare(a.revision, b.revision),
    );
  return equal[0]?.revision ?? own.name;
}

const isEqual = (fact: RevisionFact, own: Revision): boolean =>
  inputsAgree(fact.inputs, own.inputs) &&
  (sameHash(fact.templates, own.templates) || (isForeign(fact) && sameTemplates(fact.templates, own.templates)));

/** Written by another controller, or by another version of the hash. */
const isForeign = ({ revision, templates, inputs }: RevisionFact): boolean =>
  revisionHash(templates) !== revision && (inputs === undefined || revisionHash(templates, inputs) !== revision);

/** `revision/role` of every stored role template that equals the desired one. */
function equalRoles(facts: readonly RevisionFact[], desired: Revision): Set<string> {
  const equal = new Set<string>();
  for (const fact of facts.filter(({ inputs }) => inputsAgree(inputs, desired.inputs))) {
    const foreign = isForeign(fact);
    for (const template of fact.templates) {
      const wanted = desired.templates.find(({ name }) => name === template.name);
      const same = foreign ? sameTemplates : sameHash;
      if (wanted !== undefined && same([template], [wanted])) equal.add(`${fact.revision}/${template.name}`);
    }
  }
  return equal;
}

const sameHash = (a: readonly Role[], b: readonly Role[]): boolean => revisionHash(a) === revisionHash(b);

/** Foreign role hashes whose meaning other pods reveal: a pod may outlive the ControllerRevision that its label names. */
function aliasesOf(pods: readonly PodFact[], equal: ReadonlySet<string>): Set<string> {
  const aliases = new Set<string>();
  for (const { slot, revision, roleHash } of pods) {
    if (roleHash !== undefined && equal.has(`${revision}/${slot.role}`)) aliases.add(`${slot.role}/${roleHash}`);
  }
  return aliases;
}

const sameNames = (a: Revision, b: Revision): boolean =>
  a.roles.length === b.roles.length && a.roles.every(({ name }) => b.roles.some((role) => role.name === name));

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
