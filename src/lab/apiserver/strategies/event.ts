/** Events are stored in their core/v1 form; `events.k8s.io/v1` shows the same objects under its own names. */
import { type Dict, dictOf, type Obj, textOf } from '../object.js';
import type { ResourceType, Strategy } from '../resource-type.js';

export const eventStrategy: Strategy = {
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
  fields: (event) => {
    const about = dictOf(event['involvedObject'] ?? event['regarding']);
    return {
      'involvedObject.kind': textOf(about['kind']),
      'involvedObject.namespace': textOf(about['namespace']),
      'involvedObject.name': textOf(about['name']),
      'involvedObject.uid': textOf(about['uid']),
      'involvedObject.apiVersion': textOf(about['apiVersion']),
      'involvedObject.resourceVersion': textOf(about['resourceVersion']),
      'involvedObject.fieldPath': textOf(about['fieldPath']),
      reason: textOf(event['reason']),
      reportingComponent: textOf(event['reportingComponent'] ?? event['reportingController']),
      source: textOf(dictOf(event['source'] ?? event['deprecatedSource'])['component']),
      type: textOf(event['type']),
    };
  },
};

/** events.k8s.io name of a member, then its core/v1 name. */
const renamed: readonly (readonly [string, string])[] = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
];
const toCore = new Map(renamed);
const fromCore = new Map(renamed.map(([views, core]) => [core, views]));

const rename = (object: Obj, names: ReadonlyMap<string, string>, apiVersion: string): Obj =>
  ({
    ...(Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value])) as Dict),
    apiVersion,
  }) as Obj;

export const eventViews: Pick<ResourceType, 'fromStored' | 'toStored'> = {
  fromStored: (object) => rename(object, fromCore, 'events.k8s.io/v1'),
  toStored: (object) => rename(object, toCore, 'v1'),
};
