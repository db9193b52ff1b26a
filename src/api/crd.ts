import type { TSchema } from 'typebox';
import podSpec from './generated/podspec.json' with { type: 'json' };
import { apiVersion } from './names.js';
import { modelRoutes, modelServers, modelServings } from './resources.js';
import { emptyStatus, modelRouteSpec, modelServerSpec, modelServingSpec, modelServingStatus } from './schema.js';

type Schema = Record<string, unknown>;
interface Column {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
}

interface Source {
  readonly resource: { readonly group: string; readonly plural: string; readonly kind: string };
  readonly spec: TSchema;
  readonly status: TSchema;
  readonly columns: readonly Column[];
  readonly scale?: Schema;
}

const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const sources: readonly Source[] = [
  {
    resource: modelServings,
    spec: modelServingSpec,
    status: modelServingStatus,
    columns: [
      { name: 'Replicas', type: 'integer', jsonPath: '.status.replicas' },
      { name: 'Available', type: 'integer', jsonPath: '.status.availableReplicas' },
      { name: 'Updated', type: 'integer', jsonPath: '.status.updatedReplicas' },
      age,
    ],
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.labelSelector',
    },
  },
  {
    resource: modelServers,
    spec: modelServerSpec,
    status: emptyStatus,
    columns: [
      { name: 'Engine', type: 'string', jsonPath: '.spec.inferenceEngine' },
      { name: 'Port', type: 'integer', jsonPath: '.spec.workloadPort.port' },
      { name: 'Protocol', type: 'string', jsonPath: '.spec.workloadPort.protocol' },
      age,
    ],
  },
  {
    resource: modelRoutes,
    spec: modelRouteSpec,
    status: emptyStatus,
    columns: [{ name: 'Model', type: 'string', jsonPath: '.spec.modelName' }, age],
  },
];

/** Our CustomResourceDefinitions, as `kubectl apply` takes them; `config/crd` holds the same as YAML. */
export const customResourceDefinitions: readonly Schema[] = sources.map(definition);

function definition({ resource, spec, status, columns, scale }: Source): Schema {
  const singular = resource.kind.toLowerCase();
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${resource.plural}.${resource.group}` },
    spec: {
      group: resource.group,
      names: { kind: resource.kind, listKind: `${resource.kind}List`, plural: resource.plural, singular },
      scope: 'Namespaced',
      versions: [
        {
          name: apiVersion,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          subresources: { status: {}, ...(scale && { scale }) },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: structural(spec),
                status: structural(status),
              },
            },
          },
        },
      ],
    },
  };
}

/** A typebox schema in the words of a structural schema: pattern maps become `additionalProperties`, our marker the PodSpec. */
function structural(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(structural);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { 'x-tandem-schema': marker, patternProperties, ...rest } = schema as Schema;
  if (marker === 'PodSpec') return podSpec;
  const result = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, structural(value)]));
  if (patternProperties === undefined) return result;
  return { ...result, additionalProperties: structural(Object.values(patternProperties as Schema)[0]) };
}
