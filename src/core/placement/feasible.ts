import type { Node, Pod, PodSpec, Taint, Toleration } from '../../api/kube.js';

type Labels = Readonly<Record<string, string>>;

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface Term {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

interface NodeAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms?: readonly Term[] };
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight: number;
    readonly preference: Term;
  }[];
}

/**
 * Why a pod may not run on a node, apart from resources; undefined when it may. The texts are those of kube-scheduler's
 * plugins, so that events read alike.
 */
export function refusal(pod: Pod, node: Node): string | undefined {
  if (node.spec?.unschedulable === true && !tolerates(pod.spec, unschedulableTaint))
    return 'node(s) were unschedulable';
  if (node.spec?.taints?.some((taint) => isHard(taint) && !tolerates(pod.spec, taint)) === true) {
    return 'node(s) had untolerated taint(s)';
  }
  return matchesNodeSelection(pod.spec, node) ? undefined : "node(s) didn't match Pod's node affinity/selector";
}

/** Whether `nodeSelector` and the required node affinity both accept the node. */
export function matchesNodeSelection(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const selected = Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const terms = nodeAffinity(spec)?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return selected && (terms === undefined || terms.some((term) => matchesTerm(term, node)));
}

/** Sum of the weights of the preferred node affinity terms that match the node. */
export function preferenceWeight(spec: PodSpec, node: Node): number {
  const preferred = nodeAffinity(spec)?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return preferred.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0);
}

/** Number of PreferNoSchedule taints that the pod does not tolerate. */
export function untoleratedPreferences(spec: PodSpec, node: Node): number {
  const taints = node.spec?.taints ?? [];
  return taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerates(spec, taint)).length;
}

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const isHard = ({ effect }: Taint): boolean => effect === 'NoSchedule' || effect === 'NoExecute';

function tolerates(spec: PodSpec, taint: Taint): boolean {
  return (spec.tolerations ?? []).some((toleration) => tolerationMatches(toleration, taint));
}

function tolerationMatches({ key, operator = 'Equal', value, effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (!key) return operator === 'Exists';
  if (key !== taint.key) return false;
  return operator === 'Exists' || (operator === 'Equal' && (value ?? '') === (taint.value ?? ''));
}

/** A term without any requirement matches no node. */
function matchesTerm({ matchExpressions = [], matchFields = [] }: Term, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  const fields: Labels = { 'metadata.name': node.metadata.name ?? '' };
  return (
    matchExpressions.every((requirement) => holds(requirement, labels)) &&
    matchFields.every((requirement) => holds(requirement, fields))
  );
}

type Operator = (value: string | undefined, values: readonly string[]) => boolean;

const operators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['Exists', (value) => value !== undefined],
  ['DoesNotExist', (value) => value === undefined],
  ['In', (value, values) => value !== undefined && values.includes(value)],
  ['NotIn', (value, values) => value === undefined || !values.includes(value)],
  ['Gt', (value, [limit]) => value !== undefined && Number(value) > Number(limit)],
  ['Lt', (value, [limit]) => value !== undefined && Number(value) < Number(limit)],
]);

/** An operator that is not known holds nowhere. */
function holds({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  return operators.get(operator)?.(labels[key], values) ?? false;
}

function nodeAffinity(spec: PodSpec): NodeAffinity | undefined {
  return spec.affinity?.['nodeAffinity'] as NodeAffinity | undefined;
}
