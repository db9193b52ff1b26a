/**
 * In mode `pods` templates alone do not say what a pod becomes: annotations of the serving do, and the profiles that it is
 * pinned to. They belong to the revision as the templates do, so a change of them rolls, and a pod of an earlier revision
 * is completed as its group was.
 */
import type { KubeObject } from '../../api/kube.js';
import { tandemKeys } from '../../api/names.js';
import type { ModelServing, Role } from '../../api/types.js';
import { canonicalJson, isObject } from '../../base/json.js';

/** By annotation. Undefined: not in mode `pods`, or not recorded, which says nothing against any others. */
export type ExpansionInputs = Readonly<Record<string, string>> | undefined;

const keys: readonly string[] = [
  tandemKeys.model,
  tandemKeys.engine,
  tandemKeys.accelerator,
  tandemKeys.connector,
  tandemKeys.tensorParallel,
  tandemKeys.dataParallel,
  tandemKeys.devices,
  tandemKeys.engineArgs,
  tandemKeys.store,
  tandemKeys.network,
  tandemKeys.profiles,
].map(({ key }) => key);
const mode = tandemKeys.expand.key;

export const inputsOf = ({ metadata }: ModelServing): ExpansionInputs => readInputs(metadata.annotations);

/** What the annotations of a serving, or those recorded on a ControllerRevision, say. */
export function readInputs(annotations: Readonly<Record<string, string>> = {}): ExpansionInputs {
  if (annotations[mode] !== 'pods') return undefined;
  return Object.fromEntries(keys.flatMap((key) => (annotations[key] === undefined ? [] : [[key, annotations[key]]])));
}

/** How they are recorded. */
export const asAnnotations = (inputs: NonNullable<ExpansionInputs>) => ({ ...inputs, [mode]: 'pods' });

export const inputsAgree = (a: ExpansionInputs, b: ExpansionInputs): boolean =>
  a === undefined || b === undefined || canonicalJson(a) === canonicalJson(b);

/** Role templates in a ControllerRevision; undefined when it holds none. */
export function templatesIn({ data }: { readonly data?: unknown }): readonly Role[] | undefined {
  // Kthena writes {data: [roles]}; a bare list is read too.
  const templates = isObject(data) ? data['data'] : data;
  return Array.isArray(templates) ? (templates as readonly Role[]) : undefined;
}

/** The serving as it was for the pods of a revision, as far as expansion reads it. */
export function servingAt(serving: ModelServing, revision: KubeObject & { readonly data?: unknown }): ModelServing {
  const { metadata, spec } = serving;
  const roles = templatesIn(revision) ?? spec.template.roles;
  const inputs = readInputs(revision.metadata.annotations);
  const others = Object.entries(metadata.annotations ?? {}).filter(([key]) => !keys.includes(key));
  const annotations = inputs ? { ...Object.fromEntries(others), ...inputs } : metadata.annotations;
  return {
    ...serving,
    metadata: { ...metadata, ...(annotations && { annotations }) },
    spec: { ...spec, template: { ...spec.template, roles } },
  };
}
