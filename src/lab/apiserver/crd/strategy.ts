/** Defaults and validation of CustomResourceDefinitions. */
import { type FieldError, forbidden, invalid, notSupported, required } from '../field-error.js';
import { type Dict, dictOf, isDict, listOf, type Obj, textOf } from '../object.js';
import type { Strategy } from '../resource-type.js';
import { child, fill } from '../strategies/defaulting.js';
import { dnsLabel, dnsSubdomain } from '../strategies/names.js';
import { compileJsonPath } from '../tables/json-path.js';
import { type DefinitionVersion, specOf } from './definition.js';
import { structuralErrors } from './structural.js';

export const definitionStrategy: Strategy = {
  generation: true,
  allowUnconditionalUpdate: false,
  defaults(definition) {
    const spec = child(definition, 'spec');
    const names = child(spec, 'names');
    const kind = textOf(names['kind']);
    fill(names, { singular: kind.toLowerCase(), listKind: `${kind}List` });
    fill(spec, { conversion: { strategy: 'None' } });
  },
  prepareCreate(definition) {
    const storage = specOf(definition)
      .versions.filter((version) => version.storage)
      .map(({ name }) => name);
    definition['status'] = { conditions: [], acceptedNames: { plural: '', kind: '' }, storedVersions: storage };
  },
  validate: (definition, old) => [
    ...definitionErrors(definition),
    ...(old === undefined ? [] : changeErrors(definition, old)),
  ],
};

function* definitionErrors(definition: Obj): Generator<FieldError> {
  const spec = dictOf(definition['spec']);
  yield* namesErrors(definition, spec);
  const scope = textOf(spec['scope']);
  if (scope === '') yield required('spec.scope');
  else if (!scopes.includes(scope)) yield notSupported('spec.scope', scope, scopes);
  if (spec['preserveUnknownFields'] === true) {
    yield invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema');
  }
  if (dictOf(spec['conversion'])['strategy'] !== 'None') {
    const why = "conversion webhooks are not supported by the lab's API server; use None";
    yield forbidden('spec.conversion.strategy', why);
  }
  const versions = listOf(spec['versions']).filter(isDict) as unknown as DefinitionVersion[];
  if (versions.length === 0) yield required('spec.versions');
  else if (versions.filter(({ storage }) => storage).length !== 1) {
    yield invalid('spec.versions', spec['versions'], 'must have exactly one version marked as storage version');
  }
  for (const [index, version] of versions.entries()) yield* versionErrors(version, `spec.versions[${index}]`);
}

const scopes = ['Cluster', 'Namespaced'];

function* namesErrors(definition: Obj, spec: Dict): Generator<FieldError> {
  const names = dictOf(spec['names']);
  const group = textOf(spec['group']);
  const plural = textOf(names['plural']);
  if (group === '') yield required('spec.group');
  else yield* dnsSubdomain(group, 'spec.group');
  if (plural === '') yield required('spec.names.plural');
  else yield* dnsLabel(plural, 'spec.names.plural');
  if (textOf(names['kind']) === '') yield required('spec.names.kind');
  if (definition.metadata.name !== `${plural}.${group}`) {
    yield invalid('metadata.name', definition.metadata.name, 'must be spec.names.plural+"."+spec.group');
  }
}

function* versionErrors(version: DefinitionVersion, at: string): Generator<FieldError> {
  yield* dnsLabel(textOf(version.name), `${at}.name`);
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) yield required(`${at}.schema.openAPIV3Schema`, 'schemas are required');
  else yield* structuralErrors(schema, `${at}.schema.openAPIV3Schema`);
  yield* columnErrors(version, `${at}.additionalPrinterColumns`);
  yield* scalePathErrors(version, `${at}.subresources.scale`);
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];

function* columnErrors({ additionalPrinterColumns = [] }: DefinitionVersion, at: string): Generator<FieldError> {
  for (const [index, { type, jsonPath }] of additionalPrinterColumns.entries()) {
    if (!columnTypes.includes(type))
      yield invalid(`${at}[${index}].type`, type, `must be one of ${columnTypes.join(',')}`);
    if (compileJsonPath(textOf(jsonPath)) === undefined) {
      const why = "is not a simple JSONPath that the lab's API server supports";
      yield invalid(`${at}[${index}].jsonPath`, jsonPath, why);
    }
  }
}

function* scalePathErrors({ subresources }: DefinitionVersion, at: string): Generator<FieldError> {
  const scale = subresources?.scale;
  if (scale === undefined) return;
  for (const [member, root] of [
    ['specReplicasPath', '.spec'],
    ['statusReplicasPath', '.status'],
  ] as const) {
    const path = textOf(scale[member]);
    if (!path.startsWith(`${root}.`)) yield invalid(`${at}.${member}`, path, `should be a json path under ${root}`);
  }
}

function* changeErrors(definition: Obj, old: Obj): Generator<FieldError> {
  const [before, after] = [specOf(old), specOf(definition)];
  for (const member of ['group', 'scope'] as const) {
    if (before[member] !== after[member]) yield invalid(`spec.${member}`, after[member], 'field is immutable');
  }
  for (const member of ['kind', 'plural'] as const) {
    if (before.names[member] !== after.names[member])
      yield invalid(`spec.names.${member}`, after.names[member], 'field is immutable');
  }
}
