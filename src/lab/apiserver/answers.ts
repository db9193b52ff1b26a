/** Objects and lists in the form that the client asked for. */
import type { ApiContext } from './context.js';
import type { Exchange } from './exchange.js';
import { answerForm } from './media.js';
import type { Obj } from './object.js';
import type { ListPage } from './read.js';
import { groupVersionOf, type ResourceType } from './resource-type.js';
import { badRequest } from './status.js';
import { partial, type TableOptions, table } from './tables/table.js';

export function answerObject(
  ctx: ApiContext,
  exchange: Exchange,
  type: ResourceType,
  status: number,
  object: Obj,
): void {
  const { as } = answerForm(exchange.request.headers.accept);
  const { resourceVersion } = object.metadata;
  if (as === 'table') exchange.json(status, table(type, [object], { resourceVersion }, tableOptions(ctx, exchange)));
  else exchange.json(status, as === 'metadata' ? partial(object) : object);
}

export function answerList(ctx: ApiContext, exchange: Exchange, type: ResourceType, page: ListPage): void {
  const { items, ...metadata } = page;
  const { as } = answerForm(exchange.request.headers.accept);
  if (as === 'table') {
    exchange.json(200, table(type, items, metadata, tableOptions(ctx, exchange)));
    return;
  }
  if (as === 'metadata') {
    const kind = 'PartialObjectMetadataList';
    exchange.json(200, { kind, apiVersion: 'meta.k8s.io/v1', metadata, items: items.map(partial) });
    return;
  }
  exchange.json(200, {
    kind: type.listKind,
    apiVersion: groupVersionOf(type),
    metadata,
    items: items.map((item) => listed(type, item)),
  });
}

/** Items of a built-in list carry no apiVersion and kind of their own; those of a custom list do. */
function listed(type: ResourceType, item: Obj): unknown {
  if (type.custom) return item;
  const { apiVersion: _apiVersion, kind: _kind, ...rest } = item;
  return rest;
}

export function tableOptions(ctx: ApiContext, exchange: Exchange): TableOptions {
  const includeObject = exchange.query.get('includeObject') || 'Metadata';
  if (includeObject !== 'None' && includeObject !== 'Metadata' && includeObject !== 'Object') {
    throw badRequest(`unrecognized includeObject value ${JSON.stringify(includeObject)}`);
  }
  return { includeObject, now: ctx.now(), headers: true };
}

/** What a completed deletion answers. */
export function deletedStatus({ group, plural }: ResourceType, { metadata }: Obj) {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: metadata.name, ...(group === '' ? {} : { group }), kind: plural, uid: metadata.uid },
  };
}
