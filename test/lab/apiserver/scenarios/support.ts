/** What the scenarios ask with, and what they look at in an answer. */
import type { Asked } from '../api.js';

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the server said
export type Body = any;

export const group = 'lab.tandem.dev';
export const mergeType = 'application/merge-patch+json';
export const strategicType = 'application/strategic-merge-patch+json';
export const jsonType = 'application/json-patch+json';
export const applyType = 'application/apply-patch+yaml';

export const pod = (name: string, extra: object = {}, meta: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...meta },
  spec: { containers: [{ name: 'c', image: 'engine:1' }], ...extra },
});

export const configMap = (name: string, data: Record<string, string>, meta: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...meta },
  data,
});

export const message = (body: Body) => ({ reason: body.reason, message: body.message, details: body.details });
/** Go's maps have no order, and neither have errors in several fields. */
export const causes = (body: Body) =>
  body.details?.causes?.map(({ field, message: text, reason: why }: Body) => `${field}: ${text} (${why})`).sort() ??
  message(body);
export const reason = (body: Body) => ({ reason: body.reason, code: body.code });
export const withoutManagers = (body: Body) => {
  const { managedFields: _managedFields, ...metadata } = body.metadata ?? {};
  return { ...body, metadata };
};

export const podsIn = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;
export const mapsIn = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps`;

export const patch = (type: string, body: unknown): Asked => ({ type, body });
