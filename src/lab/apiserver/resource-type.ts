/** One served kind in one version: what every handler needs to know about it. */
import type { FieldError } from './field-error.js';
import type { Obj } from './object.js';
import type { Schema, SchemaReader } from './schema.js';
import type { Named } from './status.js';

export interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  /** 0 is always shown, 1 only with `-owide`. */
  readonly priority?: number;
}

/** Where `scale` finds its numbers, as paths of member names. */
export interface ScalePaths {
  readonly spec: readonly string[];
  readonly status: readonly string[];
  readonly selector?: readonly string[];
}

/** What a kind does beyond storing: the same hooks, in the same order, as the real server's strategies. All are synchronous and pure. */
export interface Strategy {
  /** Fills in defaults after decoding, on create, update and read-back of a patch. */
  readonly defaults?: (object: Obj) => void;
  /** What the stock admission plugins add to a new object, before any webhook sees it. */
  readonly admit?: (object: Obj) => void;
  /** Last changes before validation of a create: status reset, initial values. */
  readonly prepareCreate?: (object: Obj, now: string) => void;
  /** Last changes before validation of an update of the main resource. */
  readonly prepareUpdate?: (object: Obj, old: Obj) => void;
  readonly validate?: (object: Obj, old?: Obj) => FieldError[];
  readonly validateStatus?: (object: Obj, old: Obj) => FieldError[];
  readonly warnings?: (object: Obj) => string[];
  /** Values for field selectors beside metadata.name and metadata.namespace; also the list of those that may be asked for. */
  readonly fields?: (object: Obj) => Readonly<Record<string, string>>;
  /** Seconds a deletion has to wait for whoever runs the object; undefined when deletions do not wait. */
  readonly gracePeriod?: (object: Obj, asked: number | undefined) => number;
  /** Names must be DNS labels of at most 63 characters instead of subdomains. */
  readonly nameIsLabel?: boolean;
  /** Whether `metadata.generation` counts changes of the spec. */
  readonly generation?: boolean;
  /** Only a create may be asked, and nothing is stored: a question to the server. */
  readonly virtual?: boolean;
  /** A write without a resourceVersion is an overwrite; false demands one, as custom resources do. */
  readonly allowUnconditionalUpdate?: boolean;
  /** PUT and apply of a missing object create it. */
  readonly allowCreateOnUpdate?: boolean;
}

export interface ResourceType extends Named {
  readonly version: string;
  readonly singular: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
  /** Section of the store; versions of one kind share it. */
  readonly bucket: string;
  readonly schema: Schema;
  readonly reader: SchemaReader;
  readonly strategy: Strategy;
  /** True for kinds that a CustomResourceDefinition defines. */
  readonly custom: boolean;
  readonly scale?: ScalePaths;
  /** Columns of a custom resource with the JSONPath each is read from. */
  readonly printed?: readonly (Column & { readonly jsonPath: string })[];
  /** Changes the stored form into this version's and back, where they differ by more than apiVersion. */
  readonly fromStored?: (object: Obj) => Obj;
  readonly toStored?: (object: Obj) => Obj;
}

export const groupVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? version : `${group}/${version}`;

/** The stored object as this version shows it. */
export function present(type: ResourceType, stored: Obj): Obj {
  const shown = type.fromStored?.(stored) ?? stored;
  const apiVersion = groupVersionOf(type);
  return shown.apiVersion === apiVersion ? shown : { ...shown, apiVersion };
}

export const hasSubresource = (type: ResourceType, name: string): boolean =>
  type.subresources.some((subresource) => subresource.name === name);
