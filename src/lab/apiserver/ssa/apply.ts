/** Server-side apply: structured-merge-diff `Updater.Apply`. */
import type { Call } from '../call.js';
import type { ApiContext } from '../context.js';
import { decode } from '../decode.js';
import { type Dict, type Obj, timestamp } from '../object.js';
import { applyDefaults } from '../prepare.js';
import { groupVersionOf } from '../resource-type.js';
import { ApiError } from '../status.js';
import { type Comparison, changed, compare, fieldsOf } from './compare.js';
import { difference, empty, type FieldSet, intersection, isEmpty, pathsOf, sameFields, union } from './field-set.js';
import { formatManagers, identity, idOf, type Manager, ownable, parseManagers } from './managers.js';
import { mergeApplied, pruneApplied } from './merge.js';
import { typedOf, withoutManagers } from './track.js';

/**
 * The object as it is after `config` was applied, with its managers recorded. Throws 409 with one cause per field when
 * another manager owns what would change, unless `force` takes it over.
 */
export function applyObject(ctx: ApiContext, call: Call, current: Obj | undefined, config: Obj, force: boolean): Obj {
  const typed = typedOf(call.type);
  const managers = parseManagers(current?.metadata.managedFields);
  const self = identity(call, 'Apply');
  const previous = managers.get(idOf(self));
  const set = ownable(fieldsOf(typed, typed.root, config), call);
  const live = current === undefined ? undefined : withoutManagers(current);
  const merged = mergeApplied(typed, typed.root, live, restricted(call, config));
  managers.set(idOf(self), { ...self, set });
  const owned = [...managers.values()].reduce((all, manager) => union(all, manager.set), empty);
  const pruned = pruneApplied(typed, typed.root, merged, previous?.set ?? empty, owned);
  const next = withIdentity(call, pruned as Dict, live);
  if (live !== undefined) settleOwners(managers, idOf(self), compare(typed, typed.root, live, next), call, force);
  const isSame = previous !== undefined && sameFields(previous.set, set) && previous.time !== undefined;
  managers.set(idOf(self), { ...self, time: isSame ? (previous.time ?? '') : timestamp(ctx.now()), set });
  const { object } = decode(call.type, next);
  applyDefaults(call.type, object);
  object.metadata.managedFields = formatManagers(managers);
  return object;
}

/** Only what this path may change: `status` for the subresource, everything else for the object. */
function restricted(call: Call, config: Obj): Dict {
  const hasStatus = call.type.subresources.some(({ name }) => name === 'status');
  if (!hasStatus) return config;
  const { status, ...rest } = config;
  if (call.subresource !== 'status') return rest;
  return { metadata: call.type.custom ? {} : config.metadata, ...(status === undefined ? {} : { status }) };
}

function withIdentity({ type }: Call, merged: Dict, live: Obj | undefined): Obj {
  const metadata = { ...(merged['metadata'] as Obj['metadata']) };
  if (live !== undefined) {
    metadata.name = live.metadata.name;
    metadata.uid = live.metadata.uid;
  }
  return { ...merged, apiVersion: groupVersionOf(type), kind: type.kind, metadata };
}

/** Refuses, or with force takes over, what others own; fields that are gone belong to nobody. */
function settleOwners(
  managers: Map<string, Manager>,
  self: string,
  found: Comparison,
  call: Call,
  force: boolean,
): void {
  const touched = ownable(changed(found), call);
  const conflicts: { manager: Manager; fields: FieldSet }[] = [];
  for (const [id, manager] of managers) {
    if (id === self) continue;
    const fields = intersection(manager.set, touched);
    if (!isEmpty(fields)) conflicts.push({ manager, fields });
    managers.set(id, { ...manager, set: difference(difference(manager.set, fields), found.removed) });
  }
  if (conflicts.length > 0 && !force) throw conflictError(conflicts);
}

function conflictError(conflicts: readonly { manager: Manager; fields: FieldSet }[]): ApiError {
  const causes = conflicts.flatMap(({ manager, fields }) =>
    pathsOf(fields).map((field) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${nameOf(manager)}`,
      field,
    })),
  );
  const [only] = causes;
  const message =
    causes.length === 1 && only !== undefined
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${causes.length} conflicts: ${conflicts
          .map(({ manager, fields }) =>
            [`conflicts with ${nameOf(manager)}:`, ...pathsOf(fields).map((path) => `- ${path}`)].join('\n'),
          )
          .join('\n')}`;
  return new ApiError(409, 'Conflict', message, { causes });
}

function nameOf({ manager, operation, apiVersion, subresource }: Manager): string {
  const name = `${JSON.stringify(manager)}${subresource === undefined ? '' : ` with subresource ${JSON.stringify(subresource)}`}`;
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}
