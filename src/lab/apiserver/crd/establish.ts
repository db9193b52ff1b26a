/** Makes definitions work: accepts their names, serves their kinds, and clears their objects away when they are deleted. */
import type { ApiContext } from '../context.js';
import { clone, dictOf, listOf, type Obj, same, timestamp } from '../object.js';
import { bucketOf } from '../registry.js';
import { definitionBucket, specOf } from './definition.js';
import { servedTypes } from './served-types.js';

/** Follows the definitions in the store. Returns the way to stop. */
export function establishDefinitions(ctx: ApiContext): () => void {
  return ctx.store.subscribe((change) => {
    if (change.bucket !== definitionBucket) return;
    const { name } = change.object.metadata;
    // After the write that is being told, so that watchers see the two changes in order.
    queueMicrotask(() => establish(ctx, name));
  });
}

function establish(ctx: ApiContext, name: string): void {
  const definition = ctx.store.get(definitionBucket, name);
  if (definition === undefined) {
    ctx.registry.withdraw(name);
    return;
  }
  const rival = rivalOf(ctx, definition);
  if (rival === undefined) ctx.registry.define(name, servedTypes(definition));
  const next = clone(definition);
  next['status'] = statusOf(ctx, definition, rival);
  if (!same(next, definition)) ctx.store.put(definitionBucket, next);
}

/** Another definition or a built-in kind that has one of the names already. */
function rivalOf(ctx: ApiContext, definition: Obj): string | undefined {
  const { group, names } = specOf(definition);
  const taken = ctx.registry
    .all()
    .filter((type) => type.group === group && type.bucket !== bucketOf(group, names.plural))
    .flatMap((type) => [type.kind, type.listKind, type.singular, ...type.shortNames]);
  return [names.kind, names.listKind, names.singular, ...(names.shortNames ?? [])].find(
    (name) => name !== undefined && taken.includes(name),
  );
}

function statusOf(ctx: ApiContext, definition: Obj, rival: string | undefined) {
  const { names, versions } = specOf(definition);
  const status = dictOf(definition['status']);
  const now = timestamp(ctx.now());
  const accepted = rival === undefined;
  const outcomes = accepted
    ? [
        { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
        {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
      ]
    : [
        { type: 'NamesAccepted', status: 'False', reason: 'NamesConflict', message: `"${rival}" is already in use` },
        { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
      ];
  const conditions = [
    ...outcomes.map((outcome) => condition(status, now, outcome)),
    ...listOf(status['conditions']).filter((entry) => dictOf(entry)['type'] === 'Terminating'),
  ];
  const storage = versions.filter((version) => version.storage).map(({ name }) => name);
  const storedVersions = [...new Set([...listOf(status['storedVersions']), ...storage])];
  return { conditions, acceptedNames: accepted ? names : { plural: '', kind: '' }, storedVersions };
}

/** Keeps the time of a condition that has not changed. */
function condition(status: Record<string, unknown>, now: string, made: { readonly type: string }) {
  const old = listOf(status['conditions'])
    .map(dictOf)
    .find(({ type }) => type === made.type);
  const isSame = old !== undefined && same({ ...old, lastTransitionTime: undefined }, made);
  return { lastTransitionTime: isSame ? old['lastTransitionTime'] : now, ...made };
}
