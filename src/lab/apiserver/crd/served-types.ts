/** The kinds that a definition adds, one per served version. */

import { builtinSchemas } from '../builtin.js';
import type { Obj } from '../object.js';
import { bucketOf } from '../registry.js';
import type { ResourceType, ScalePaths, Strategy, Subresource } from '../resource-type.js';
import type { Schema } from '../schema.js';
import { compileJsonPath } from '../tables/json-path.js';
import { customErrors, statusErrors } from './custom-errors.js';
import { fillDefaults } from './defaulting.js';
import { type DefinitionVersion, specOf } from './definition.js';

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
        strategy: strategyFor(version, schema, scale),
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

function strategyFor(version: DefinitionVersion, schema: Schema, scale: ScalePaths | undefined): Strategy {
  const warning = version.deprecated === true ? version.deprecationWarning : undefined;
  return {
    allowUnconditionalUpdate: false,
    defaults: (object) => fillDefaults(schema, object),
    validate: (object, old) => customErrors({ schema, scale }, object, old),
    validateStatus: (object, old) => statusErrors({ schema, scale }, object, old),
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
