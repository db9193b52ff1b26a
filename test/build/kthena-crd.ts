import { customResourceDefinitions } from '../../src/api/crd.js';

type Schema = Record<string, unknown> & { properties?: Record<string, Schema>; items?: Schema; required?: string[] };

/**
 * Kthena's own CRD of ModelServing as far as it is narrower than ours: its `required` lists.
 * Source: charts/kthena/charts/workload/crds of volcano-sh/kthena, commit 3cc05728.
 */
const required: Record<string, readonly string[]> = {
  spec: ['template'],
  'spec.plugins[]': ['name', 'type'],
  'spec.rolloutStrategy': ['type'],
  'spec.template': ['roles'],
  'spec.template.roles[]': ['entryTemplate', 'name', 'workerReplicas'],
  'spec.template.roles[].entryTemplate.spec': ['containers'],
  'spec.template.roles[].workerTemplate.spec': ['containers'],
};

export function kthenaModelServingCrd(): Record<string, unknown> {
  const ours = customResourceDefinitions.find((crd) =>
    (crd['metadata'] as { name: string }).name.startsWith('modelservings.'),
  );
  const crd = structuredClone(ours) as Record<string, unknown>;
  const [version] = (crd['spec'] as { versions: { schema: { openAPIV3Schema: Schema } }[] }).versions;
  for (const [path, fields] of Object.entries(required)) {
    schemaAt(version?.schema.openAPIV3Schema, path).required = [...fields];
  }
  return crd;
}

function schemaAt(root: Schema | undefined, path: string): Schema {
  let schema = root;
  for (const step of path.split('.')) {
    schema = schema?.properties?.[step.replace('[]', '')];
    if (step.endsWith('[]')) schema = schema?.items;
  }
  if (!schema) throw new Error(`the CRD has no ${path}`);
  return schema;
}
