/** Defaults of a pod and its parts: `pkg/apis/core/v1/defaults.go`, and what the admission plugins Priority and DefaultTolerationSeconds add. */
import { type Dict, dictOf, isDict, listOf, type Obj, textOf } from '../object.js';
import { child, each, fill } from './defaulting.js';

const fileMode = 0o644;
const criticalPriorities: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};

export function podDefaults(pod: Obj): void {
  const spec = child(pod, 'spec');
  podSpecDefaults(spec);
  for (const container of containersOf(spec)) limitsToRequests(container);
  // Go writes null for a time that was never set, and a null has an owner.
  each(dictOf(pod['status'])['conditions'], (condition) =>
    fill(condition, { lastProbeTime: null, lastTransitionTime: null }),
  );
}

/** All containers of a pod spec that have resources: init and main. */
export function containersOf(spec: Dict): Dict[] {
  return [...listOf(spec['initContainers']), ...listOf(spec['containers'])].filter(isDict);
}

function podSpecDefaults(spec: Dict): void {
  fill(spec, {
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    schedulerName: 'default-scheduler',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    enableServiceLinks: true,
  });
  if (typeof spec['serviceAccountName'] === 'string') spec['serviceAccount'] ??= spec['serviceAccountName'];
  for (const container of containersOf(spec)) containerDefaults(container, spec['hostNetwork'] === true);
  each(spec['volumes'], volumeDefaults);
}

function containerDefaults(container: Dict, hostNetwork: boolean): void {
  fill(container, {
    imagePullPolicy: pullPolicy(textOf(container['image'])),
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  });
  each(container['ports'], (port) => {
    fill(port, { protocol: 'TCP' });
    if (hostNetwork) fill(port, { hostPort: port['containerPort'] });
  });
  each(container['env'], (variable) => fill(dictOf(variable['valueFrom'])['fieldRef'], { apiVersion: 'v1' }));
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) probeDefaults(container[probe]);
  const lifecycle = dictOf(container['lifecycle']);
  for (const hook of ['preStop', 'postStart']) httpDefaults(dictOf(lifecycle[hook])['httpGet']);
}

function pullPolicy(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1);
  if (name.includes('@')) return 'IfNotPresent';
  const tag = name.includes(':') ? name.slice(name.indexOf(':') + 1) : 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function probeDefaults(probe: unknown): void {
  fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
  httpDefaults(dictOf(probe)['httpGet']);
  fill(dictOf(probe)['grpc'], { service: '' });
}

const httpDefaults = (action: unknown): void => fill(action, { path: '/', scheme: 'HTTP' });

function volumeDefaults(volume: Dict): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume['emptyDir'] = {};
  fill(volume['hostPath'], { type: '' });
  for (const source of ['secret', 'configMap', 'projected', 'downwardAPI']) {
    fill(volume[source], { defaultMode: fileMode });
  }
  each(dictOf(volume['downwardAPI'])['items'], (item) => fill(item['fieldRef'], { apiVersion: 'v1' }));
  each(dictOf(volume['projected'])['sources'], (source) => {
    fill(source['serviceAccountToken'], { expirationSeconds: 3600 });
    each(dictOf(source['downwardAPI'])['items'], (item) => fill(item['fieldRef'], { apiVersion: 'v1' }));
  });
}

function limitsToRequests(container: Dict): void {
  const resources = dictOf(container['resources']);
  const limits = resources['limits'];
  if (!isDict(limits)) return;
  fill(child(resources, 'requests'), limits);
}

/** What the admission plugins of a stock API server add to a new pod. */
export function podAdmissionDefaults(pod: Obj): void {
  const spec = child(pod, 'spec');
  const priority = criticalPriorities[textOf(spec['priorityClassName'])] ?? 0;
  fill(spec, { priority, preemptionPolicy: 'PreemptLowerPriority' });
  const tolerations = listOf(spec['tolerations']).filter(isDict);
  const added = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']
    .filter((key) => !tolerations.some((toleration) => tolerates(toleration, key)))
    .map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }));
  if (added.length > 0) spec['tolerations'] = [...tolerations, ...added];
}

function tolerates(toleration: Dict, key: string): boolean {
  const sameKey = toleration['key'] === key || textOf(toleration['key']) === '';
  const sameEffect = toleration['effect'] === 'NoExecute' || textOf(toleration['effect']) === '';
  return sameKey && sameEffect;
}
