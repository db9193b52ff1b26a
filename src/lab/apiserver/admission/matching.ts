/** Which webhooks a write concerns: rules, scope and selectors of admissionregistration v1. */

import type { Call } from '../call.js';
import { compileCel } from '../crd/cel/evaluate.js';
import { type Dict, dictOf, isDict, listOf, type Obj, textOf } from '../object.js';
import { matchesLabelSelector } from '../selectors.js';
import type { Store } from '../store.js';
import type { Attributes } from './attributes.js';

export interface Webhook {
  readonly configuration: string;
  readonly name: string;
  readonly clientConfig: {
    readonly url?: string;
    readonly service?: {
      readonly namespace: string;
      readonly name: string;
      readonly path?: string;
      readonly port?: number;
    };
    readonly caBundle?: string;
  };
  readonly rules: readonly Rule[];
  readonly failurePolicy: string;
  readonly reinvocationPolicy?: string;
  readonly timeoutSeconds: number;
  readonly namespaceSelector?: Dict;
  readonly objectSelector?: Dict;
  readonly matchConditions?: readonly { readonly name: string; readonly expression: string }[];
  readonly admissionReviewVersions: readonly string[];
}

interface Rule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly scope?: string;
}

const group = 'admissionregistration.k8s.io';

/** All webhooks of a kind, configurations in the order of their names. */
export function webhooksOf(
  store: Store,
  plural: 'mutatingwebhookconfigurations' | 'validatingwebhookconfigurations',
): Webhook[] {
  return store.list(`${plural}.${group}`).flatMap((configuration) =>
    listOf(configuration['webhooks'])
      .filter(isDict)
      .map((webhook) => ({ ...webhook, configuration: configuration.metadata.name }) as unknown as Webhook),
  );
}

/** Webhooks never judge webhook configurations: a broken one could not be repaired. */
export const isExempt = ({ call }: Attributes): boolean => call.type.group === group;

export function matches(store: Store, webhook: Webhook, attributes: Attributes): boolean {
  return (
    (webhook.rules ?? []).some((rule) => matchesRule(rule, attributes)) &&
    matchesNamespace(store, webhook, attributes) &&
    matchesObject(webhook, attributes)
  );
}

const allows = (list: readonly string[] | undefined, value: string): boolean =>
  list?.includes('*') === true || list?.includes(value) === true;

function matchesRule(rule: Rule, { call, operation }: Attributes): boolean {
  const { type, subresource } = call;
  const scope = type.namespaced ? 'Namespaced' : 'Cluster';
  return (
    allows(rule.operations, operation) &&
    allows(rule.apiGroups, type.group) &&
    allows(rule.apiVersions, type.version) &&
    (rule.scope === undefined || rule.scope === '*' || rule.scope === scope) &&
    (rule.resources ?? []).some((pattern) => matchesResource(pattern, type.plural, subresource))
  );
}

/** `pods`, `pods/status`, `pods/*`, `*`, `*` with a subresource, and both. */
function matchesResource(pattern: string, plural: string, subresource: string | undefined): boolean {
  const [resource = '', part] = pattern.split('/');
  const isPlural = resource === '*' || resource === plural;
  if (part === undefined) return isPlural && subresource === undefined;
  return isPlural && (part === '*' || part === subresource);
}

function matchesNamespace(store: Store, webhook: Webhook, { call, object, oldObject }: Attributes): boolean {
  const { type, namespace } = call;
  if (type.bucket === 'namespaces')
    return matchesLabelSelector(webhook.namespaceSelector, (object ?? oldObject)?.metadata.labels ?? {});
  if (!type.namespaced) return true;
  const labels = namespace === undefined ? undefined : store.get('namespaces', namespace)?.metadata.labels;
  return matchesLabelSelector(webhook.namespaceSelector, labels ?? {});
}

function matchesObject({ objectSelector }: Webhook, { object, oldObject }: Attributes): boolean {
  return [object, oldObject].some(
    (version) => version !== undefined && matchesLabelSelector(objectSelector, version.metadata.labels ?? {}),
  );
}

/** Evaluates `matchConditions`; a condition that cannot be evaluated is thrown and treated as a failed call. */
export function conditionsHold(webhook: Webhook, attributes: Attributes, request: Dict): boolean {
  const scope = { object: attributes.object ?? null, oldObject: attributes.oldObject ?? null, request };
  return (webhook.matchConditions ?? []).every(({ expression }) => compileCel(expression)(scope) === true);
}

/** The body of the review, `admission.k8s.io/v1`. */
export function reviewRequest(uid: string, attributes: Attributes, object: Obj | undefined): Dict {
  const { call, operation, kind, oldObject, options } = attributes;
  const { type } = call;
  const requestKind = { group: kind.group, version: kind.version, kind: kind.kind };
  const requestResource = { group: type.group, version: type.version, resource: type.plural };
  return {
    uid,
    kind: requestKind,
    resource: requestResource,
    requestKind,
    requestResource,
    ...placeOf(call, object),
    operation,
    userInfo: call.user,
    object: object ?? null,
    oldObject: oldObject ?? null,
    dryRun: call.dryRun,
    options: options ?? defaultOptions(attributes),
  };
}

/** Name, namespace and subresource, each only where there is one. */
function placeOf({ type, subresource, namespace, name: asked }: Call, object: Obj | undefined): Dict {
  const name = asked ?? textOf(dictOf(object?.metadata)['name']);
  return {
    ...(subresource !== undefined && { subResource: subresource, requestSubResource: subresource }),
    ...(name !== '' && { name }),
    ...(namespace !== undefined && { namespace: type.bucket === 'namespaces' ? name : namespace }),
  };
}

const optionKinds = {
  CREATE: 'CreateOptions',
  UPDATE: 'UpdateOptions',
  DELETE: 'DeleteOptions',
  CONNECT: 'ConnectOptions',
};

function defaultOptions({ call, operation }: Attributes): Dict {
  return {
    kind: optionKinds[operation],
    apiVersion: 'meta.k8s.io/v1',
    ...(call.dryRun && { dryRun: ['All'] }),
    ...(operation !== 'DELETE' && call.namesManager && { fieldManager: call.fieldManager }),
  };
}
