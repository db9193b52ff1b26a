import { type Level, podName, topologyLabel } from '../../src/api/names.js';
import type { ModelServing } from '../../src/api/types.js';
import { isObject } from '../../src/base/json.js';
import { domainsOfNode } from '../../src/core/placement/topology.js';
import { type Decision, type PatchOperation, pass, patchOf } from '../decision.js';
import type { ReviewRequest } from '../review.js';
import type { World } from '../world.js';

const labelValue = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * Stamps the chosen node's place on the pod: labels on a Binding reach the Pod (seen on Kubernetes 1.36). It never
 * refuses: a pod without the labels runs, and router and status know less.
 */
export function stampBinding(request: ReviewRequest, world: World): Decision {
  const target = isObject(request.object?.['target']) ? request.object['target'] : {};
  const node = target['name'];
  if (typeof node !== 'string') return pass('the binding names no node');
  if (!isOurs(request, world)) return pass();
  const known = world.nodes.get(undefined, node);
  if (!known) return pass(`node ${node} is not known: no topology labels`);
  const patch = patchFor(request.object?.['metadata'], domainsOfNode(known));
  return { allowed: true, patch: patchOf(patch), injected: { topology: patch.length } };
}

/** A Binding has only the pod's name; the names of our pods tell their ModelServing, group, role, instance and index. */
function isOurs({ name = '', namespace = '' }: ReviewRequest, { modelServings }: World): boolean {
  // No pod has a longer name, and each part of one costs a look-up.
  if (name.length > 253) return false;
  const parts = name.split('-');
  for (let length = parts.length - 4; length > 0; length--) {
    const serving = modelServings.get(namespace, parts.slice(0, length).join('-'));
    if (serving && isPodOf(serving, name)) return true;
  }
  return false;
}

function isPodOf(serving: ModelServing, pod: string): boolean {
  const match = /-(\d{1,9})-(.+)-(\d{1,9})-(\d{1,9})$/.exec(pod.slice(serving.metadata.name?.length ?? 0));
  if (!match) return false;
  const [, group, role = '', instance, index] = match;
  const slot = {
    serving: serving.metadata.name ?? '',
    group: Number(group),
    role,
    instance: Number(instance),
    index: Number(index),
  };
  return serving.spec.template.roles.some(({ name }) => name === role) && podName(slot) === pod;
}

function patchFor(metadata: unknown, domains: Readonly<Partial<Record<Level, string>>>): readonly PatchOperation[] {
  const labels = isObject(metadata) && isObject(metadata['labels']) ? metadata['labels'] : undefined;
  const wanted = Object.entries(domains)
    .map(([level, domain]) => [topologyLabel(level as Level), domain] as const)
    // A node name may be longer than a label value may be; the level is then not told.
    .filter(([key, domain]) => labelValue.test(domain) && labels?.[key] === undefined);
  if (wanted.length === 0) return [];
  if (!isObject(metadata)) return [{ op: 'add', path: '/metadata', value: { labels: Object.fromEntries(wanted) } }];
  if (labels === undefined) return [{ op: 'add', path: '/metadata/labels', value: Object.fromEntries(wanted) }];
  return wanted.map(([key, value]) => ({ op: 'add', path: `/metadata/labels/${key.replaceAll('/', '~1')}`, value }));
}
