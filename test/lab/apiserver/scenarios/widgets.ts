/** A kind of its own for the scenarios: its definition, objects of it, and where they are. */
import type { Recorder } from '../transcript.js';
import { group } from './support.js';

/** A definition with everything that our own definitions use. */
const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.replicas',
            statusReplicasPath: '.status.replicas',
            labelSelectorPath: '.status.selector',
          },
        },
        additionalPrinterColumns: [
          { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['size'],
                properties: {
                  replicas: { type: 'integer', format: 'int32', default: 1, minimum: 0, maximum: 100 },
                  size: { type: 'string', enum: ['small', 'large'] },
                  name: { type: 'string', minLength: 2, maxLength: 5, pattern: '^[a-z]+$' },
                  share: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
                  fixed: {
                    type: 'string',
                    'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'fixed is immutable' }],
                  },
                  open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  labels: { type: 'object', additionalProperties: { type: 'string' } },
                  parts: {
                    type: 'array',
                    minItems: 1,
                    maxItems: 3,
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, count: { type: 'integer', default: 2 } },
                    },
                    'x-kubernetes-validations': [
                      {
                        rule: 'self.all(x, self.exists_one(y, y.name == x.name))',
                        message: 'names of parts must be unique',
                      },
                    ],
                  },
                  ports: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, port: { type: 'integer' } },
                    },
                  },
                },
                'x-kubernetes-validations': [
                  { rule: "!has(self.name) || self.size != 'large'", message: 'a large widget has no name' },
                ],
              },
              status: {
                type: 'object',
                properties: {
                  replicas: { type: 'integer' },
                  selector: { type: 'string' },
                  conditions: {
                    type: 'array',
                    items: { type: 'object', properties: { type: { type: 'string' }, status: { type: 'string' } } },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

export const widget = (name: string, spec: object, meta: object = {}) => ({
  apiVersion: `${group}/v1`,
  kind: 'Widget',
  metadata: { name, ...meta },
  spec,
});

/** Makes the definition and waits until its kind is served. */
export async function defineWidgets({ api }: Recorder): Promise<void> {
  await api.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: widgets });
  for (;;) {
    const { status } = await api.ask('GET', `/apis/${group}/v1/widgets`);
    if (status === 200) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export const widgetsIn = (namespace: string) => `/apis/${group}/v1/namespaces/${namespace}/widgets`;
