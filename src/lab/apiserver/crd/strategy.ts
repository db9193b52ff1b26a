/** Defaults and validation of CustomResourceDefinitions. */
import { type FieldError, forbidden, invalid, notSupported, required } from '../field-error.js';
import { dictOf, isDict, listOf, type Obj, textOf } from '../object.js';
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
  if (!['Namespaced', 'Cluster'].includes(textOf(spec['scope']))) {
    yield spec['scope'] === undefined
      ? required('spec.scope')
      : notSupported('spec.scope', spec['scope'], ['Cluster', 'Namespaced']);
  }
  if (spec['preserveUnknownFields'] === true) {
    yield invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema');
  }
  if (dictOf(spec['conversion'])['strategy'] !== 'None') {
    yield forbidden(
      'spec.conversion.strategy',
      "conversion webhooks are not supported by the lab's API server; use None",
    );
  }
  const versions = listOf(spec['versions']).filter(isDict) as unknown as DefinitionVersion[];
  if (versions.length === 0) yield required('spec.versions');
  else if (versions.filter(({ storage }) => storage).length !== 1) {
    yield invalid('spec.versions', spec['versions'], 'must have exactly one version marked as storage version');
  }
  for (const [index, version] of versions.entries()) yield* versionErrors(version, `spec.versions[${index}]`);
}

function* versionErrors(version: DefinitionVersion, at: string): Generator<FieldError> {
  yield* dnsLabel(version.name ?? '', `${at}.name`);
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) yield required(`${at}.schema.openAPIV3Schema`, 'schemas are required');
  else yield* structuralErrors(schema, `${at}.schema.openAPIV3Schema`);
  for (const [index, column] of (version.additionalPrinterColumns ?? []).entries()) {
    const field = `${at}.additionalPrinterColumns[${index}]`;
    if (!['integer', 'number', 'string', 'boolean', 'date'].includes(column.type)) {
      yield invalid(`${field}.type`, column.type, 'must be one of boolean,date,integer,number,string');
    }
    if (compileJsonPath(column.jsonPath ?? '') === undefined) {
      yield invalid(
        `${field}.jsonPath`,
        column.jsonPath,
        "is not a simple JSONPath that the lab's API server supports",
      );
    }
  }
  const scale = version.subresources?.scale;
  if (scale !== undefined && !scale.specReplicasPath.startsWith('.spec.')) {
    yield invalid(
      `${at}.subresources.scale.specReplicasPath`,
      scale.specReplicasPath,
      'should be a json path under .spec',
    );
  }
  if (scale !== undefined && !scale.statusReplicasPath.startsWith('.status.')) {
    yield invalid(
      `${at}.subresources.scale.statusReplicasPath`,
      scale.statusReplicasPath,
      'should be a json path under .status',
    );
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
