import { labels, networkingGroup, workloadGroup } from '../src/api/names.js';
import type { WebhookConfiguration, WebhookEntry } from '../src/certs/inject.js';
import { mutatingWebhooks, type Resource, validatingWebhooks } from '../src/kube/resources.js';

/** How the API server reaches us: through a Service in the cluster, or at `https://host:port` outside it. */
export type Reach =
  | { readonly by: 'service'; readonly name: string; readonly namespace: string; readonly port?: number }
  | { readonly by: 'url'; readonly url: string };

/** Where each webhook answers. */
export const paths = {
  mutateModelServings: '/mutate/modelservings',
  mutatePods: '/mutate/pods',
  mutateBindings: '/mutate/bindings',
  validateModelServings: '/validate/modelservings',
  validateScale: '/validate/modelservings-scale',
  validateModelServers: '/validate/modelservers',
  validateModelRoutes: '/validate/modelroutes',
} as const;

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly operations: readonly string[];
  readonly failurePolicy: 'Fail' | 'Ignore';
  readonly timeoutSeconds: number;
  readonly more?: Readonly<Record<string, unknown>>;
}

/** What is going away or did not change in anything we judge never waits for us: finalizers, labels, owner references. */
const onlyWhatMatters = {
  matchConditions: [
    { name: 'not-being-deleted', expression: '!has(object.metadata.deletionTimestamp)' },
    {
      name: 'spec-or-annotations-changed',
      expression:
        'oldObject == null || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec || ' +
        'has(object.metadata.annotations) != has(oldObject.metadata.annotations) || ' +
        '(has(object.metadata.annotations) && object.metadata.annotations != oldObject.metadata.annotations)',
    },
  ],
};

/** Names of our pods end with group, role, instance and index. */
const namedAsOurs = {
  name: 'named-as-ours',
  expression: "has(object.metadata.name) && object.metadata.name.matches('-[0-9]+-.+-[0-9]+-[0-9]+$')",
};

const kinds = (resource: string, group: string) => ({ group, version: 'v1alpha1', resource });
const written = ['CREATE', 'UPDATE'];

const mutating: readonly Entry[] = [
  {
    // Fail: a terse serving that is stored unexpanded is refused by its CRD or starts pods that cannot work.
    name: 'modelservings.expand.tandem.dev',
    path: paths.mutateModelServings,
    ...kinds('modelservings', workloadGroup),
    operations: written,
    failurePolicy: 'Fail',
    timeoutSeconds: 10,
    // Another webhook may add to the template after us; expansion is idempotent, so it may run again.
    more: { reinvocationPolicy: 'IfNeeded', ...onlyWhatMatters },
  },
  {
    // Fail: a pod without its identity advertises an address that no peer can reach; its controller tries again, so
    // a restart of ours delays it and loses nothing. The selector keeps every other pod of the cluster away from here.
    name: 'pods.expand.tandem.dev',
    path: paths.mutatePods,
    group: '',
    version: 'v1',
    resource: 'pods',
    operations: ['CREATE'],
    failurePolicy: 'Fail',
    timeoutSeconds: 10,
    more: {
      reinvocationPolicy: 'IfNeeded',
      objectSelector: { matchExpressions: [{ key: labels.name, operator: 'Exists' }] },
    },
  },
  {
    // Ignore: a Binding carries no label to select by, only a name that may be one of ours, so this must never stop a pod;
    // without the labels router and status know less, and say so.
    name: 'bindings.topology.tandem.dev',
    path: paths.mutateBindings,
    group: '',
    version: 'v1',
    resource: 'pods/binding',
    operations: ['CREATE'],
    failurePolicy: 'Ignore',
    timeoutSeconds: 2,
    more: { reinvocationPolicy: 'Never', matchConditions: [namedAsOurs] },
  },
];

const validating: readonly Entry[] = [
  {
    // Fail, as its mutating twin: the two answer from one process.
    name: 'modelservings.check.tandem.dev',
    path: paths.validateModelServings,
    ...kinds('modelservings', workloadGroup),
    operations: written,
    failurePolicy: 'Fail',
    timeoutSeconds: 10,
    more: onlyWhatMatters,
  },
  {
    // Ignore: an autoscaler must be able to act while we restart.
    name: 'scale.check.tandem.dev',
    path: paths.validateScale,
    ...kinds('modelservings/scale', workloadGroup),
    operations: ['UPDATE'],
    failurePolicy: 'Ignore',
    timeoutSeconds: 5,
  },
  {
    // Ignore, also for routes: what slips through is reported by the router and by `tandem check`; refusing every
    // change of routing while we restart would hurt more.
    name: 'modelservers.check.tandem.dev',
    path: paths.validateModelServers,
    ...kinds('modelservers', networkingGroup),
    operations: written,
    failurePolicy: 'Ignore',
    timeoutSeconds: 5,
    more: onlyWhatMatters,
  },
  {
    name: 'modelroutes.check.tandem.dev',
    path: paths.validateModelRoutes,
    ...kinds('modelroutes', networkingGroup),
    operations: written,
    failurePolicy: 'Ignore',
    timeoutSeconds: 5,
    more: onlyWhatMatters,
  },
];

export interface Registration {
  readonly resource: Resource;
  readonly object: WebhookConfiguration & { readonly metadata: { readonly name: string } };
}

/** The name of both configurations. */
export const configurationName = 'tandem';

/** Names the Certificate whose CA cert-manager's injector puts into every caBundle of the object. */
const injector = 'cert-manager.io/inject-ca-from';

/**
 * Both configurations as the API server should hold them, except for the caBundle (`src/certs/inject.ts`), which is
 * cert-manager's when `injectCaFrom` (NAMESPACE/CERTIFICATE) is given.
 */
export function configurationsFor(reach: Reach, injectCaFrom?: string): readonly Registration[] {
  const annotations = injectCaFrom === undefined ? undefined : { [injector]: injectCaFrom };
  return [
    registration(mutatingWebhooks, mutating, { reach, annotations }),
    registration(validatingWebhooks, validating, { reach, annotations }),
  ];
}

interface Written {
  readonly reach: Reach;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

function registration(resource: Resource, entries: readonly Entry[], { reach, annotations }: Written): Registration {
  return {
    resource,
    object: {
      apiVersion: `${resource.group}/${resource.version}`,
      kind: resource.kind,
      metadata: {
        name: configurationName,
        labels: { 'app.kubernetes.io/name': 'tandem' },
        ...(annotations && { annotations }),
      },
      webhooks: entries.map((entry) => webhookOf(entry, reach)),
    },
  };
}

function webhookOf(entry: Entry, reach: Reach): WebhookEntry {
  const { group, version, resource, operations } = entry;
  return {
    name: entry.name,
    clientConfig: clientConfigOf(entry.path, reach),
    rules: [{ apiGroups: [group], apiVersions: [version], resources: [resource], operations, scope: 'Namespaced' }],
    failurePolicy: entry.failurePolicy,
    // Equivalent: also when the object is written through another version of its group.
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds: entry.timeoutSeconds,
    admissionReviewVersions: ['v1'],
    ...entry.more,
  };
}

function clientConfigOf(path: string, reach: Reach): WebhookEntry['clientConfig'] {
  if (reach.by === 'url') return { url: `${reach.url}${path}` };
  return { service: { name: reach.name, namespace: reach.namespace, path, port: reach.port ?? 443 } };
}

/** Names and addresses that the serving certificate must answer for. */
export function hostsOf(reach: Reach): readonly string[] {
  if (reach.by === 'url') return [new URL(reach.url).hostname.replace(/^\[|\]$/g, '')];
  const { name, namespace } = reach;
  return [`${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`, `${name}.${namespace}`, name];
}
