import type { Container, EnvVar, Pod } from '../../api/kube.js';
import { isObject } from '../../base/json.js';

/** What the downward API can tell a container besides what its Pod object holds. */
export interface PodFacts {
  readonly podIP: string;
  readonly hostIP: string;
  /** Values of ConfigMaps and Secrets by `configmap/NAME/KEY` and `secret/NAME/KEY`. */
  readonly lookup: (kind: 'configmap' | 'secret', name: string, key: string) => string | undefined;
}

export type Resolved =
  | { readonly ok: true; readonly container: Container }
  /** The reason is a kubelet's own: the container waits with it. */
  | { readonly ok: false; readonly message: string };

/** The container as its process sees it: env values filled in, `$(VAR)` expanded in env, command and args. */
export function resolveContainer(pod: Pod, container: Container, facts: PodFacts): Resolved {
  const values = new Map<string, string>();
  for (const entry of container.env ?? []) {
    const value = envValue(entry, pod, container, facts);
    if (value.missing !== undefined) return { ok: false, message: value.missing };
    if (value.text !== undefined) values.set(entry.name, expand(value.text, values));
  }
  const words = (list: readonly string[] | undefined) => list?.map((word) => expand(word, values));
  const command = words(container.command);
  const args = words(container.args);
  return {
    ok: true,
    container: {
      ...container,
      env: [...values].map(([name, value]) => ({ name, value })),
      ...(command && { command }),
      ...(args && { args }),
    },
  };
}

/** `$(NAME)` becomes the value, `$$(NAME)` the text `$(NAME)`; an unknown name stays as it is written. */
export function expand(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([A-Za-z_.][-A-Za-z0-9_.]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (values.get(name) ?? whole),
  );
}

interface Value {
  readonly text?: string | undefined;
  readonly missing?: string;
}

function envValue(entry: EnvVar, pod: Pod, container: Container, facts: PodFacts): Value {
  const from = entry.valueFrom;
  if (from === undefined) return { text: entry.value ?? '' };
  if (from.fieldRef) return { text: fieldOf(from.fieldRef.fieldPath, pod, facts) };
  if (isObject(from['resourceFieldRef'])) return { text: resourceOf(from['resourceFieldRef'], container) };
  for (const [field, kind] of [
    ['configMapKeyRef', 'configmap'],
    ['secretKeyRef', 'secret'],
  ] as const) {
    const ref = from[field];
    if (!isObject(ref)) continue;
    const text = facts.lookup(kind, String(ref['name']), String(ref['key']));
    if (text !== undefined || ref['optional'] === true) return { text };
    return { missing: `couldn't find key ${String(ref['key'])} in ${kind} ${String(ref['name'])}` };
  }
  return { text: '' };
}

function fieldOf(path: string, pod: Pod, { podIP, hostIP }: PodFacts): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed) return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] ?? ''] ?? '';
  const fields: Readonly<Record<string, string | undefined>> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': String(pod.spec['serviceAccountName'] ?? 'default'),
    'status.podIP': podIP,
    'status.podIPs': podIP,
    'status.hostIP': hostIP,
    'status.hostIPs': hostIP,
  };
  return fields[path] ?? '';
}

function resourceOf(ref: Readonly<Record<string, unknown>>, container: Container): string {
  const [kind, ...name] = String(ref['resource']).split('.');
  const list = kind === 'limits' ? container.resources?.limits : container.resources?.requests;
  return String(list?.[name.join('.')] ?? '0');
}

export interface Reference {
  readonly kind: 'configmap' | 'secret';
  readonly name: string;
}

/** The ConfigMaps and Secrets that a pod's environment refers to. */
export function referencesOf(pod: Pod): readonly Reference[] {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return containers.flatMap((container) => container.env ?? []).flatMap(referencesIn);
}

function referencesIn({ valueFrom }: EnvVar): readonly Reference[] {
  const map = valueFrom?.['configMapKeyRef'];
  const secret = valueFrom?.['secretKeyRef'];
  return [
    ...(isObject(map) ? [{ kind: 'configmap' as const, name: String(map['name']) }] : []),
    ...(isObject(secret) ? [{ kind: 'secret' as const, name: String(secret['name']) }] : []),
  ];
}
