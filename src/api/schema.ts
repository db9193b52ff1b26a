/**
 * The three kinds that Tandem speaks, once: types, CRD YAML, defaults and validation all come from these schemas.
 *
 * Field by field they follow Kthena's API; three things are wider, so that every manifest that works there works here
 * and the published ones that Kthena refuses work too: `roles[].workerReplicas` may be absent (0),
 * `rollingUpdateConfiguration.maxSurge` is accepted, and a role's pod spec may still be incomplete when admission expands it.
 */
import Type from 'typebox';
import type { PodSpec } from './kube.js';

const int32 = (options: Record<string, unknown> = {}) => Type.Integer({ format: 'int32', ...options });
const int64 = (options: Record<string, unknown> = {}) => Type.Integer({ format: 'int64', ...options });
type Options = Record<string, unknown>;
const text = (options: Options = {}) => Type.String(options);
const textMap = (options: Options = {}) => Type.Record(Type.String(), Type.String(), options);
const oneOf = <const T extends readonly string[]>(values: T, options: object = {}) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...options });
const cel = (rule: string, message: string) => ({ rule, message });
const rules = (...validations: object[]) => ({ 'x-kubernetes-validations': validations });
/** What Kthena's validating webhook refuses, the API server refuses here also while no webhook is there. */
const notNegative = rules(cel('self >= 0', 'must not be negative'));
const notEmpty = (what: string) => rules(cel('size(self) > 0', `${what} must not be empty`));

/** An integer or a percentage such as "25%". */
const intOrPercent = (options: object = {}) =>
  Type.Unsafe<number | string>({
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    'x-kubernetes-int-or-string': true,
    ...options,
  });

/** Filled in by `crd.ts` with the PodSpec schema of Kubernetes itself. */
export const podSpecSchema = Type.Unsafe<PodSpec>({ type: 'object', 'x-tandem-schema': 'PodSpec' });

const podTemplate = Type.Object({
  metadata: Type.Optional(Type.Object({ labels: Type.Optional(textMap()), annotations: Type.Optional(textMap()) })),
  spec: Type.Optional(podSpecSchema),
});

const networkTopology = Type.Object({
  mode: Type.Optional(oneOf(['hard', 'soft'], { default: 'hard' })),
  highestTierAllowed: Type.Optional(Type.Integer({ minimum: 0 })),
  highestTierName: Type.Optional(text({ maxLength: 253 })),
});

const role = Type.Object(
  {
    name: text({ maxLength: 12, pattern: '^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$' }),
    replicas: Type.Optional(int32({ default: 1, ...notNegative })),
    entryTemplate: podTemplate,
    workerReplicas: Type.Optional(int32(notNegative)),
    workerTemplate: Type.Optional(podTemplate),
    maxUnavailable: Type.Optional(intOrPercent({ default: 1 })),
    partition: Type.Optional(intOrPercent()),
  },
  // The terse form has no containers yet: both templates are written from its annotations, pod by pod.
  rules(
    cel(
      '!has(self.workerReplicas) || self.workerReplicas <= 0 || has(self.workerTemplate) || ' +
        '!has(self.entryTemplate.spec) || !has(self.entryTemplate.spec.containers)',
      'workerTemplate is required when workerReplicas is greater than 0',
    ),
  ),
);

/** Kthena's own limit. */
export const mostRoles = 4;

const servingGroup = Type.Object(
  {
    restartGracePeriodSeconds: Type.Optional(int64({ default: 0 })),
    gangPolicy: Type.Optional(
      Type.Object({
        minRoleReplicas: Type.Optional(
          Type.Record(Type.String(), int32(notNegative), rules(cel('self == oldSelf', 'minRoleReplicas is immutable'))),
        ),
      }),
    ),
    networkTopology: Type.Optional(
      Type.Object({ groupPolicy: Type.Optional(networkTopology), rolePolicy: Type.Optional(networkTopology) }),
    ),
    roles: Type.Array(role, {
      minItems: 1,
      maxItems: mostRoles,
      ...rules(cel('self.all(x, self.exists_one(y, y.name == x.name))', 'roles name must be unique')),
    }),
  },
  rules(cel('!has(oldSelf.gangPolicy) || has(self.gangPolicy)', 'gangPolicy is required once set')),
);

const plugin = Type.Object({
  name: text(),
  type: Type.Optional(oneOf(['BuiltIn'], { default: 'BuiltIn' })),
  config: Type.Optional(Type.Unsafe<unknown>({ 'x-kubernetes-preserve-unknown-fields': true })),
  scope: Type.Optional(Type.Object({ roles: Type.Optional(Type.Array(text())), target: Type.Optional(text()) })),
});

const condition = Type.Object({
  type: text({ maxLength: 316 }),
  status: oneOf(['True', 'False', 'Unknown']),
  reason: text({ maxLength: 1024 }),
  message: text({ maxLength: 32768 }),
  lastTransitionTime: text({ format: 'date-time' }),
  observedGeneration: Type.Optional(int64({ minimum: 0 })),
});

const roleStatus = Type.Object({
  name: text(),
  replicas: Type.Optional(int32()),
  readyReplicas: Type.Optional(int32()),
  updatedReplicas: Type.Optional(int32()),
});

const rolloutStrategy = Type.Object(
  {
    type: Type.Optional(
      oneOf(['ServingGroupRollingUpdate', 'RoleRollingUpdate'], { default: 'ServingGroupRollingUpdate' }),
    ),
    rollingUpdateConfiguration: Type.Optional(
      Type.Object({
        maxUnavailable: Type.Optional(intOrPercent({ default: 1 })),
        maxSurge: Type.Optional(intOrPercent()),
        partition: Type.Optional(intOrPercent()),
      }),
    ),
  },
  rules(
    cel(
      "!has(self.rollingUpdateConfiguration) || !has(self.type) || self.type != 'RoleRollingUpdate'",
      'rollingUpdateConfiguration is only valid when rolloutStrategy.type is ServingGroupRollingUpdate',
    ),
  ),
);

export const modelServingSpec = Type.Object(
  {
    replicas: Type.Optional(int32({ default: 1, ...notNegative })),
    schedulerName: Type.Optional(text({ default: 'volcano' })),
    plugins: Type.Optional(Type.Array(plugin)),
    template: servingGroup,
    rolloutStrategy: Type.Optional(rolloutStrategy),
    recoveryPolicy: Type.Optional(oneOf(['ServingGroupRecreate', 'RoleRecreate', 'None'], { default: 'RoleRecreate' })),
  },
  rules(
    cel(
      "!has(self.recoveryPolicy) || self.recoveryPolicy != 'ServingGroupRecreate' || !has(self.rolloutStrategy) || " +
        "!has(self.rolloutStrategy.type) || self.rolloutStrategy.type != 'RoleRollingUpdate'",
      'recoveryPolicy ServingGroupRecreate cannot be used with rolloutStrategy.type RoleRollingUpdate',
    ),
  ),
);

export const modelServingStatus = Type.Object({
  observedGeneration: Type.Optional(int64()),
  replicas: Type.Optional(int32()),
  currentReplicas: Type.Optional(int32()),
  updatedReplicas: Type.Optional(int32()),
  availableReplicas: Type.Optional(int32()),
  currentRevision: Type.Optional(text()),
  updateRevision: Type.Optional(text()),
  conditions: Type.Optional(Type.Array(condition)),
  labelSelector: Type.Optional(text()),
  roles: Type.Optional(Type.Array(roleStatus, { description: 'Counts per role over all serving groups.' })),
});

export const modelServerSpec = Type.Object({
  model: Type.Optional(text({ maxLength: 256 })),
  inferenceEngine: oneOf(['vLLM', 'SGLang']),
  workloadSelector: Type.Object(
    {
      matchLabels: Type.Optional(textMap()),
      pdGroup: Type.Optional(
        Type.Object({
          groupKey: text(notEmpty('groupKey')),
          prefillLabels: textMap(notEmpty('prefillLabels')),
          decodeLabels: textMap(notEmpty('decodeLabels')),
        }),
      ),
    },
    rules(cel('has(self.matchLabels) && size(self.matchLabels) > 0', 'matchLabels must not be empty')),
  ),
  workloadPort: Type.Object({
    port: int32({ minimum: 1, maximum: 65535 }),
    protocol: Type.Optional(oneOf(['http', 'https'], { default: 'http' })),
  }),
  trafficPolicy: Type.Optional(
    Type.Object({
      timeout: Type.Optional(text()),
      retry: Type.Optional(
        Type.Object({ attempts: int32(), retryInterval: Type.Optional(text({ default: '100ms' })) }),
      ),
      sessionSticky: Type.Optional(
        Type.Object({
          sessionAffinitySeconds: Type.Optional(int32()),
          sources: Type.Optional(
            Type.Array(Type.Object({ type: oneOf(['Header', 'Query', 'Cookie', 'JWTClaim']), name: text() })),
          ),
        }),
      ),
    }),
  ),
  kvConnector: Type.Optional(
    Type.Object({ type: Type.Optional(oneOf(['http', 'lmcache', 'nixl', 'mooncake'], { default: 'http' })) }),
  ),
});

const stringMatch = Type.Object({
  exact: Type.Optional(text()),
  prefix: Type.Optional(text()),
  regex: Type.Optional(text()),
});

const targetModel = Type.Object(
  {
    modelServerName: Type.Optional(text()),
    externalModelProviderName: Type.Optional(text()),
    weight: Type.Optional(int32({ minimum: 0, maximum: 100, default: 100 })),
  },
  rules(
    cel(
      'has(self.modelServerName) != has(self.externalModelProviderName)',
      'exactly one of modelServerName and externalModelProviderName must be set',
    ),
  ),
);

const routeRule = Type.Object({
  name: Type.Optional(text()),
  modelMatch: Type.Optional(
    Type.Object({
      headers: Type.Optional(Type.Record(Type.String(), stringMatch)),
      uri: Type.Optional(stringMatch),
      body: Type.Optional(Type.Object({ model: Type.Optional(text()) })),
    }),
  ),
  targetModels: Type.Array(targetModel, { minItems: 1, maxItems: 16 }),
});

const rateLimit = Type.Object({
  inputTokensPerUnit: Type.Optional(int32({ minimum: 1 })),
  outputTokensPerUnit: Type.Optional(int32({ minimum: 1 })),
  unit: Type.Optional(oneOf(['second', 'minute', 'hour', 'day', 'month'], { default: 'second' })),
  global: Type.Optional(Type.Object({ redis: Type.Optional(Type.Object({ address: text() })) })),
});

export const modelRouteSpec = Type.Object(
  {
    modelName: Type.Optional(text({ maxLength: 256, ...rules(cel('self == oldSelf', 'modelName is immutable')) })),
    loraAdapters: Type.Optional(Type.Array(text(), { maxItems: 10 })),
    parentRefs: Type.Optional(
      Type.Array(
        Type.Object({
          group: Type.Optional(text({ default: 'gateway.networking.k8s.io' })),
          kind: Type.Optional(text({ default: 'Gateway' })),
          namespace: Type.Optional(text()),
          name: text(),
          sectionName: Type.Optional(text()),
          port: Type.Optional(int32()),
        }),
      ),
    ),
    rules: Type.Array(routeRule, { maxItems: 16 }),
    rateLimit: Type.Optional(rateLimit),
  },
  rules(
    cel(
      "(has(self.modelName) && self.modelName != '') || (has(self.loraAdapters) && size(self.loraAdapters) > 0)",
      'ModelName and LoraAdapters cannot both be empty',
    ),
  ),
);

export const emptyStatus = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  'x-kubernetes-preserve-unknown-fields': true,
});
