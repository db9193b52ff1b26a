/**
 * When are two role templates the same? Revision hashes answer with text of sorted keys, free of what does not change a
 * pod: counts, order of roles, empty lists, absent zeros, spelling of quantities. They do not depend on any program's types.
 */
import { createHash } from 'node:crypto';
import type { Role } from '../../api/types.js';
import { canonicalJson, isObject } from '../../base/json.js';
import { formatQuantity, parseQuantity } from '../../base/quantity.js';
import type { ExpansionInputs } from './expansion-inputs.js';

/** Hash of what makes the pods of one role; the counts of the role are not in it. */
export const roleHash = (role: Role, inputs?: ExpansionInputs): string =>
  hashOf(withInputs(canonicalRole(role, 'exact'), inputs));

/** Hash of all role templates of a serving; the order of roles is not in it. */
export const revisionHash = (roles: readonly Role[], inputs?: ExpansionInputs): string =>
  hashOf(withInputs(canonicalRoles(roles, 'exact'), inputs));

const withInputs = (templates: unknown, inputs: ExpansionInputs): unknown =>
  inputs === undefined ? templates : { templates, inputs };

/**
 * Equal also when one side went through typed Go structs, which drop false, 0 and empty text. Only for revisions that
 * another controller wrote: there the alternative is to restart every pod.
 */
export const sameTemplates = (a: readonly Role[], b: readonly Role[]): boolean =>
  canonicalJson(canonicalRoles(a, 'lossy')) === canonicalJson(canonicalRoles(b, 'lossy'));

/** `lossy` also drops what typed structs cannot tell from absent. */
type Precision = 'exact' | 'lossy';

/** Objects that mean the same empty as absent; elsewhere `{}` may mean something, as in `emptyDir` or `namespaceSelector`. */
const emptyMeansAbsent = new Set([
  'resources',
  'limits',
  'requests',
  'securityContext',
  'metadata',
  'labels',
  'annotations',
  'nodeSelector',
  'affinity',
]);
const quantityMaps = new Set(['limits', 'requests']);

function canonicalRoles(roles: readonly Role[], precision: Precision): unknown {
  return Object.fromEntries(roles.map((role) => [role.name, canonicalRole(role, precision)]));
}

function canonicalRole(role: Role, precision: Precision): unknown {
  const { name, entryTemplate, workerTemplate, workerReplicas = 0 } = role;
  const workers = workerReplicas > 0 ? { workerReplicas, workerTemplate } : {};
  return canonical({ name, entryTemplate, ...workers }, '', precision);
}

function canonical(value: unknown, key: string, precision: Precision): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => canonical(item, '', precision));
  if (isObject(value)) return canonicalObject(value, key, precision);
  if (key === 'sizeLimit') return quantityText(value);
  return value === null || (precision === 'lossy' && isZero(value)) ? undefined : value;
}

const isZero = (value: unknown): boolean => value === false || value === 0 || value === '';

function canonicalObject(value: Record<string, unknown>, key: string, precision: Precision): unknown {
  const entries = Object.entries(value)
    .map(([name, member]) => [name, quantityMaps.has(key) ? quantityText(member) : canonical(member, name, precision)])
    .filter(([, member]) => member !== undefined);
  return entries.length === 0 && emptyMeansAbsent.has(key) ? undefined : Object.fromEntries(entries);
}

function quantityText(value: unknown): unknown {
  const nano = typeof value === 'number' || typeof value === 'string' ? parseQuantity(value) : undefined;
  return nano === undefined ? value : formatQuantity(nano);
}

/** Kubernetes' alphabet for generated names: no vowels, so no words. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

function hashOf(value: unknown): string {
  let rest = createHash('sha256').update(canonicalJson(value)).digest().readBigUInt64BE();
  let text = '';
  while (text.length < 10) {
    text += alphabet[Number(rest % 27n)];
    rest /= 27n;
  }
  return text;
}
