/** The kinds that a definition adds, one per served version. */

import { builtinSchemas } from '../builtin.js';
import type { FieldError } from '../field-error.js';
import { at, type Dict, dictOf, type Obj, same } from '../object.js';
import { bucketOf } from '../registry.js';
import type { ResourceType, ScalePaths, Strategy, Subresource } from '../resource-type.js';
import type { Schema } from '../schema.js';
import { compileJsonPath } from '../tables/json-path.js';
import { ruleErrors } from './cel/rules.js';
import { fillDefaults } from './defaulting.js';
import { type DefinitionVersion, specOf } from './definition.js';
import { schemaErrors } from './validate.js';

const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const partVerbs = ['get', 'patch', 'update'];

export function servedTypes(definition: Obj): ResourceType[] {
  const { group, names, scope, versions } = specOf(definition);
  const bucket = bucketOf(group, names.plural);
  return versions
    .filter(({ served }) => served)
    .map((version) => {
      const schema = version.schema?.openAPIV3Schema ?? {};
      const printed = version.additionalPrinterColumns;
      const scale = scalePaths(version);
      return {
        group,
        version: version.name,
        plural: names.plural,
        singular: names.singular ?? '',
        kind: names.kind,
        listKind: names.listKind ?? `${names.kind}List`,
        namespaced: scope === 'Namespaced',
        shortNames: names.shortNames ?? [],
        categories: names.categories ?? [],
        verbs,
        subresources: subresourcesOf(version, names.kind),
        bucket,
        schema,
        reader: builtinSchemas,
        strategy: strategyFor(version, schema),
        custom: true,
        ...(printed !== undefined && { printed: printed.map((column) => ({ priority: 0, ...column })) }),
        ...(scale && { scale }),
      };
    });
}

function subresourcesOf({ subresources }: DefinitionVersion, kind: string): Subresource[] {
  return [
    ...(subresources?.status === undefined ? [] : [{ name: 'status', kind, verbs: partVerbs }]),
    ...(subresources?.scale === undefined
      ? []
      : [{ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: partVerbs }]),
  ];
}

const memberNames = (path: string): string[] => path.split('.').filter((name) => name !== '');

function scalePaths({ subresources }: DefinitionVersion): ScalePaths | undefined {
  const scale = subresources?.scale;
  if (scale === undefined) return undefined;
  return {
    spec: memberNames(scale.specReplicasPath),
    status: memberNames(scale.statusReplicasPath),
    ...(scale.labelSelectorPath !== undefined && { selector: memberNames(scale.labelSelectorPath) }),
  };
}

function strategyFor(version: DefinitionVersion, schema: Schema): Strategy {
  const warning = version.deprecated === true ? version.deprecationWarning : undefined;
  return {
    defaults: (object) => fillDefaults(schema, object),
    validate: (object, old) => customErrors(schema, object, old),
    validateStatus: (object, old) => customErrors(schema, object, old),
    ...(warning !== undefined && { warnings: () => [warning] }),
    fields: (object) => selectable(version, object),
  };
}

function selectable({ selectableFields }: DefinitionVersion, object: Obj): Record<string, string> {
  return Object.fromEntries(
    (selectableFields ?? []).map(({ jsonPath }) => {
      const [value] = compileJsonPath(jsonPath)?.(object) ?? [];
      return [jsonPath.replace(/^\./, ''), value === undefined ? '' : String(value)];
    }),
  );
}

/** Rules only run on what the schema accepts. An error on a value that an update leaves alone is forgiven, as ratcheting does. */
function customErrors(schema: Schema, object: Obj, old: Obj | undefined): FieldError[] {
  const errors = schemaErrors(schema, object).filter((error) => old === undefined || !isUnchanged(error, object, old));
  return errors.length > 0 ? errors : ruleErrors(schema, object, old);
}

function isUnchanged({ field, reason }: FieldError, object: Dict, old: Dict): boolean {
  const path = field.split(/[.[\]]+/).filter((part) => part !== '');
  // A missing member is judged by the object that lacks it.
  const where = reason === 'FieldValueRequired' ? path.slice(0, -1) : path;
  return where.length > 0 && same(valueAt(object, where), valueAt(old, where));
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (current, part) => (Array.isArray(current) ? current[Number(part)] : at(dictOf(current), part)),
    value,
  );
}
