import type { Static } from 'typebox';
import type { KubeObject } from './kube.js';
import type { modelRouteSpec, modelServerSpec, modelServingSpec, modelServingStatus } from './schema.js';

/** Recursively read-only: what came from outside is never edited in place. */
export type DeepReadonly<T> = T extends (infer U)[]
  ? readonly DeepReadonly<U>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

export type ModelServingSpec = DeepReadonly<Static<typeof modelServingSpec>>;
export type ModelServingStatus = DeepReadonly<Static<typeof modelServingStatus>>;
export type ServingGroupTemplate = ModelServingSpec['template'];
export type Role = ServingGroupTemplate['roles'][number];
export type PodTemplate = Role['entryTemplate'];

export interface ModelServing extends KubeObject {
  readonly spec: ModelServingSpec;
  readonly status?: ModelServingStatus;
}

export type ModelServerSpec = DeepReadonly<Static<typeof modelServerSpec>>;
export interface ModelServer extends KubeObject {
  readonly spec: ModelServerSpec;
}

export type ModelRouteSpec = DeepReadonly<Static<typeof modelRouteSpec>>;
export interface ModelRoute extends KubeObject {
  readonly spec: ModelRouteSpec;
}
