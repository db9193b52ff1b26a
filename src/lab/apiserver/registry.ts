/** The kinds that are served at this moment: the built-in ones, and those that CustomResourceDefinitions add and take away. */
import { builtinResources, builtinSchemas } from './builtin.js';
import type { ResourceType } from './resource-type.js';
import { eventViews } from './strategies/event.js';
import { strategyOf } from './strategies/table.js';

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

const pathOf = (group: string, version: string, plural: string): string => `${group}/${version}/${plural}`;

export class Registry {
  readonly #types = new Map<string, ResourceType>();
  /** Versions of a custom group in the order clients should prefer them. */
  readonly #byDefinition = new Map<string, readonly string[]>();
  #generation = 0;

  constructor() {
    for (const type of builtinTypes()) this.#types.set(pathOf(type.group, type.version, type.plural), type);
  }

  /** Grows with every change of what is served; part of the OpenAPI hashes. */
  get generation(): number {
    return this.#generation;
  }

  find(group: string, version: string, plural: string): ResourceType | undefined {
    return this.#types.get(pathOf(group, version, plural));
  }

  /** Any version of a kind, by its apiVersion's group: how owner references are resolved. */
  ofKind(group: string, kind: string): ResourceType | undefined {
    return this.all().find((type) => type.group === group && type.kind === kind);
  }

  ofBucket(bucket: string): ResourceType | undefined {
    return this.all().find((type) => type.bucket === bucket);
  }

  all(): ResourceType[] {
    return [...this.#types.values()];
  }

  in({ group, version }: GroupVersion): ResourceType[] {
    return this.all().filter((type) => type.group === group && type.version === version);
  }

  /** Every served group with its versions, preferred first. */
  groups(): Map<string, string[]> {
    const groups = new Map<string, string[]>();
    for (const { group, version } of this.#types.values()) {
      const versions = groups.get(group) ?? [];
      if (!versions.includes(version)) versions.push(version);
      groups.set(group, versions);
    }
    for (const versions of groups.values()) versions.sort(byPreference);
    return groups;
  }

  /** Serves exactly these types for a definition, instead of those it had before. */
  define(definition: string, types: readonly ResourceType[]): void {
    for (const path of this.#byDefinition.get(definition) ?? []) this.#types.delete(path);
    const paths = types.map((type) => pathOf(type.group, type.version, type.plural));
    types.forEach((type, index) => {
      this.#types.set(paths[index] ?? '', type);
    });
    this.#byDefinition.set(definition, paths);
    this.#generation++;
  }

  withdraw(definition: string): void {
    this.define(definition, []);
    this.#byDefinition.delete(definition);
  }
}

function builtinTypes(): ResourceType[] {
  return builtinResources.map((resource) => ({
    ...resource,
    listKind: `${resource.kind}List`,
    // Both APIs of events show one set of objects.
    bucket: resource.kind === 'Event' ? 'events' : bucketOf(resource.group, resource.plural),
    schema: builtinSchemas.named(resource.schema),
    reader: builtinSchemas,
    strategy: strategyOf(resource.group, resource.kind),
    custom: false,
    ...(resource.group === 'events.k8s.io' ? eventViews : {}),
  }));
}

export const bucketOf = (group: string, plural: string): string => (group === '' ? plural : `${plural}.${group}`);

/** v2 before v1 before v1beta2 before v1alpha1 before anything else, as Kubernetes sorts versions. */
export function byPreference(a: string, b: string): number {
  const [left, right] = [weights(a), weights(b)];
  if (left === undefined || right === undefined) {
    return left === right ? a.localeCompare(b) : left === undefined ? 1 : -1;
  }
  return right.stage - left.stage || right.major - left.major || right.minor - left.minor;
}

function weights(version: string): { stage: number; major: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return undefined;
  const stage = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0;
  return { stage, major: Number(match[1]), minor: Number(match[3] ?? 0) };
}
