import type { Container, EnvVar, Pod, PodSpec } from '../../api/kube.js';
import { env, labels } from '../../api/names.js';
import { isObject } from '../../base/json.js';
import type { Profiles } from '../profiles/types.js';
import { namesVariables } from './command-line.js';
import { readConnector, sideOf } from './connector.js';
import { readDevices } from './devices.js';
import { readEngine } from './engine.js';
import { type Recognised, recogniseEngine } from './recognise.js';
import { listAt, textAt } from './shape.js';
import type { EngineReading, PodPlace, PodReading, Side } from './types.js';

/** What is known about a pod spec from around it. */
export interface PodSurroundings {
  /** Field path of the spec in its object. */
  readonly path: string;
  /** Role of the ModelServing: its name decides the side when the connector leaves it open. */
  readonly role?: string | undefined;
  /** Workers beside the entry pod. */
  readonly workerReplicas?: number;
  /** `entry` when absent. */
  readonly place?: PodPlace;
}

/** Reading of a pod spec; undefined when no engine is recognised in it. */
export function readPodSpec(
  spec: PodSpec | undefined,
  profiles: Profiles,
  around: PodSurroundings,
): PodReading | undefined {
  const found = engineContainer(spec, profiles);
  if (spec === undefined || found === undefined) return undefined;
  const containerPath = `${around.path}.containers[${found.index}]`;
  const { place = 'entry', workerReplicas = 0 } = around;
  const engine = readEngine(found.container, containerPath, found.recognised, workerReplicas);
  const connector = readConnector(engine, profiles);
  return {
    path: around.path,
    spec,
    container: found.container,
    containerIndex: found.index,
    containerPath,
    engine,
    devices: readDevices(found.container, containerPath, profiles),
    connector,
    side: sideOf(engine, connector) ?? sideByName(around.role),
    place,
    pods: workerReplicas + 1,
    servesHttp: servesHttp(engine, place),
    env: envOf(found.container),
  };
}

/**
 * The reading of a pod whose engine got further variables; undefined when its command names variables, so that all of it
 * must be read again.
 */
export function withGrownEnvironment(before: PodReading): PodReading | undefined {
  return namesVariables(before.container) ? undefined : { ...before, env: envOf(before.container) };
}

function servesHttp({ profile, args }: EngineReading, place: PodPlace): boolean {
  const { headless, workerApi = [] } = profile.flags;
  if (headless !== undefined && args.has(headless)) return false;
  return place === 'entry' || workerApi.some((flag) => args.has(flag));
}

/** Reading of a Pod of a serving, whoever created it; the controller's own environment tells how many pods work together. */
export function readPod(pod: Pod, profiles: Profiles): PodReading | undefined {
  return readPodSpec(pod.spec, profiles, {
    path: 'spec',
    role: pod.metadata.labels?.[labels.role],
    workerReplicas: Math.max(0, groupSize(pod) - 1),
    place: isWorkerPod(pod) ? 'worker' : 'entry',
  });
}

/** Whether a controller made the pod as a worker: the entry pod carries a label, its workers do not. */
export const isWorkerPod = ({ metadata }: Pod): boolean =>
  metadata?.labels?.[labels.roleId] !== undefined && metadata.labels[labels.entry] !== 'true';

function groupSize({ spec }: Pod): number {
  const said = listAt(spec, 'containers').flatMap((container) => listAt(container, 'env'));
  return (
    Number(
      textAt(
        said.find((entry) => textAt(entry, 'name') === env.groupSize),
        'value',
      ),
    ) || 1
  );
}

/** A role called `prefill-a` is the prefill side; any other name means that the pod serves alone. */
export function sideByName(role: string | undefined): Side {
  if (role === undefined) return 'aggregated';
  if (/prefill/i.test(role)) return 'prefill';
  return /decode/i.test(role) ? 'decode' : 'aggregated';
}

interface Found {
  readonly index: number;
  readonly container: Container;
  readonly recognised: Recognised;
}

function engineContainer(spec: PodSpec | undefined, profiles: Profiles): Found | undefined {
  let first: Found | undefined;
  for (const [index, item] of listAt(spec, 'containers').entries()) {
    if (!isObject(item)) continue;
    const container = item as unknown as Container;
    const recognised = recogniseEngine(container, profiles);
    if (recognised?.started) return { index, container, recognised };
    if (recognised) first ??= { index, container, recognised };
  }
  return first;
}

function envOf(container: Container): ReadonlyMap<string, EnvVar> {
  const env = new Map<string, EnvVar>();
  for (const entry of listAt(container, 'env')) {
    const name = textAt(entry, 'name');
    if (name !== undefined) env.set(name, entry as EnvVar);
  }
  return env;
}
