/** Nodes, pods and stores for tests of what reads a cluster. */
import type { Node, Pod, PodSpec } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import type { RawObject } from '../../src/kube/client.js';
import { ObjectMap } from '../../src/kube/object-map.js';
import { silentLogger } from '../../src/telemetry/log.js';

/** A node with devices, cpu, memory and room for pods; labels are given as they are. */
export function aNode(name: string, nodeLabels: Readonly<Record<string, string>> = {}, devices = 8): Node {
  const amounts = { cpu: '64', memory: '256Gi', pods: '110', 'nvidia.com/gpu': String(devices) };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: `uid-${name}`, labels: { 'kubernetes.io/hostname': name, ...nodeLabels } },
    status: { capacity: amounts, allocatable: amounts },
  };
}

export interface PodOptions {
  readonly node?: string;
  readonly devices?: number;
  readonly group?: number;
  readonly serving?: string;
  readonly instance?: number;
  readonly index?: number;
  readonly uid?: string;
  readonly created?: string;
  readonly nominated?: string;
  readonly spec?: Partial<PodSpec>;
}

/** A pod of a serving group, named and labelled as a controller does. */
export function groupPod(role: string, options: PodOptions = {}): Pod {
  const { serving = 'llm', group = 0, instance = 0, index = 0, devices = 8 } = options;
  const name = `${serving}-${group}-${role}-${instance}-${index}`;
  return {
    ...plainPod(name, { ...options, devices }),
    metadata: {
      name,
      namespace: 'default',
      uid: options.uid ?? `uid-${name}`,
      creationTimestamp: options.created ?? `2026-11-21T10:00:0${group % 10}Z`,
      labels: {
        [labels.name]: serving,
        [labels.groupName]: `${serving}-${group}`,
        [labels.role]: role,
        [labels.roleId]: `${role}-${instance}`,
        ...(index === 0 && { [labels.entry]: 'true' }),
      },
    },
  };
}

/** A pod that belongs to no serving. */
export function plainPod(name: string, { node, devices = 0, nominated, spec = {}, uid }: PodOptions = {}): Pod {
  const requests = devices === 0 ? {} : { 'nvidia.com/gpu': String(devices) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: uid ?? `uid-${name}`, creationTimestamp: '2026-11-21T10:00:00Z' },
    spec: {
      containers: [{ name: 'main', image: 'example/engine:1', resources: { limits: requests, requests } }],
      ...(node !== undefined && { nodeName: node }),
      ...spec,
    },
    status: { phase: 'Pending', ...(nominated !== undefined && { nominatedNodeName: nominated }) },
  };
}

/** A store that a test fills and changes by hand. */
export function memoryStore<T extends RawObject>(objects?: readonly T[]): ObjectMap<T> {
  const store = new ObjectMap<T>({ logger: silentLogger, same: (a, b) => a === b });
  if (objects !== undefined) store.replaceAll(objects);
  return store;
}

/** `leaves` leaves of `perLeaf` nodes in one zone, two leaves to a rack: `r1-n0`, `r1-n1`, ..., `r2-n0`, ... */
export function fabric(leaves: number, perLeaf: number, devices = 8): Node[] {
  return Array.from({ length: leaves * perLeaf }, (_, index) => {
    const leaf = Math.floor(index / perLeaf) + 1;
    return aNode(
      `r${leaf}-n${index % perLeaf}`,
      {
        'topology.tandem.dev/leaf': `r${leaf}`,
        'topology.tandem.dev/rack': `rack${Math.ceil(leaf / 2)}`,
        'topology.kubernetes.io/zone': 'z1',
      },
      devices,
    );
  });
}
