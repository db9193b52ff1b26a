/** What the CRDs refuse by themselves, with CEL, on a real API server. */
import t from 'tap';
import { needsControlPlane, startApiServer } from './admission.js';

const serving = (name: string, spec: object) => ({
  apiVersion: 'workload.serving.volcano.sh/v1alpha1',
  kind: 'ModelServing',
  metadata: { name },
  spec: { schedulerName: 'default-scheduler', ...spec },
});
const nginx = { spec: { containers: [{ name: 'nginx', image: 'nginx' }] } };
const role = (more: object = {}) => ({ name: 'web', entryTemplate: nginx, workerReplicas: 0, ...more });
const roles = (...some: object[]) => ({ template: { roles: some } });
const modelServer = (workloadSelector: object) => ({
  apiVersion: 'networking.serving.volcano.sh/v1alpha1',
  kind: 'ModelServer',
  metadata: { name: 'x' },
  spec: { inferenceEngine: 'vLLM', workloadPort: { port: 8000 }, workloadSelector },
});
const pdGroup = { groupKey: 'k', prefillLabels: { a: 'b' }, decodeLabels: { a: 'c' } };
const rolling = { maxUnavailable: 1 };

/** By Kthena's own validator (kthena-workload 4.2, kthena-router 1.4). */
const accepted: Readonly<Record<string, object>> = {
  'no workers, no template': serving('a', roles(role())),
  'workers with a template': serving('a', roles(role({ workerReplicas: 2, workerTemplate: nginx }))),
  'the terse form with workers': serving('a', roles({ name: 'prefill', workerReplicas: 1, entryTemplate: {} })),
  'no replicas at all': serving('a', { replicas: 0, ...roles(role({ replicas: 0 })) }),
  'roles one by one': serving('a', { rolloutStrategy: { type: 'RoleRollingUpdate' }, ...roles(role()) }),
  'groups with a configuration': serving('a', {
    rolloutStrategy: { type: 'ServingGroupRollingUpdate', rollingUpdateConfiguration: rolling },
    recoveryPolicy: 'ServingGroupRecreate',
    ...roles(role()),
  }),
  'a configuration without a type': serving('a', {
    rolloutStrategy: { rollingUpdateConfiguration: rolling },
    ...roles(role()),
  }),
  'a gang of none': serving('a', { template: { gangPolicy: { minRoleReplicas: { web: 0 } }, roles: [role()] } }),
  'a selector without a pdGroup': modelServer({ matchLabels: { a: 'b' } }),
  'a whole pdGroup': modelServer({ matchLabels: { a: 'b' }, pdGroup }),
};
const refused: Readonly<Record<string, readonly [object, RegExp]>> = {
  'workers without a template': [serving('a', roles(role({ workerReplicas: 1 }))), /workerTemplate is required when/],
  'negative replicas': [serving('a', { replicas: -1, ...roles(role()) }), /spec\.replicas: .*must not be negative/],
  'negative role replicas': [
    serving('a', roles(role({ replicas: -1 }))),
    /roles\[0\]\.replicas: .*must not be negative/,
  ],
  'negative workers': [serving('a', roles(role({ workerReplicas: -1 }))), /must not be negative/],
  'a negative gang': [
    serving('a', { template: { gangPolicy: { minRoleReplicas: { web: -1 } }, roles: [role()] } }),
    /must not be negative/,
  ],
  'a group configuration for roles': [
    serving('a', {
      rolloutStrategy: { type: 'RoleRollingUpdate', rollingUpdateConfiguration: rolling },
      ...roles(role()),
    }),
    /rollingUpdateConfiguration is only valid when/,
  ],
  'recovery of groups with a rollout of roles': [
    serving('a', {
      recoveryPolicy: 'ServingGroupRecreate',
      rolloutStrategy: { type: 'RoleRollingUpdate' },
      ...roles(role()),
    }),
    /ServingGroupRecreate cannot be used with/,
  ],
  'no labels': [modelServer({ matchLabels: {} }), /matchLabels must not be empty/],
  'no selector': [modelServer({ pdGroup }), /matchLabels must not be empty/],
  'no prefill labels': [
    modelServer({ matchLabels: { a: 'b' }, pdGroup: { ...pdGroup, prefillLabels: {} } }),
    /prefillLabels must not be empty/,
  ],
  'no group key': [
    modelServer({ matchLabels: { a: 'b' }, pdGroup: { ...pdGroup, groupKey: '' } }),
    /groupKey must not be empty/,
  ],
};

t.setTimeout(120_000);
t.test('on a real API server', needsControlPlane, async (t) => {
  const { kubectl } = await startApiServer(t);

  await t.test(
    'without admission the CRDs alone refuse what Kthena refuses, and nothing that it accepts',
    async (t) => {
      for (const [name, object] of Object.entries(accepted)) {
        const { code, stderr } = await kubectl('create --dry-run=server -f -', JSON.stringify(object));
        t.equal(code, 0, `${name} ${stderr}`);
      }
      for (const [name, [object, message]] of Object.entries(refused)) {
        const { code, stderr } = await kubectl('create --dry-run=server -f -', JSON.stringify(object));
        t.equal(code, 1, name);
        t.match(stderr, message);
      }
    },
  );
});
