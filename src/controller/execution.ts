/** What a step is performed with, and what may come of it. */
import type { KubeObject } from '../api/kube.js';
import type { Clock } from '../base/clock.js';
import type { PodGroupSupport } from '../core/rollout/build-pod-group.js';
import type { Desired } from '../core/rollout/desired.js';
import type { KubeClient } from '../kube/client.js';
import type { Memory } from './memory.js';
import type { ServingKey } from './ownership.js';

export interface ExecuteContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly memory: Memory;
  readonly key: ServingKey;
  readonly desired: Desired;
  readonly podGroups: PodGroupSupport;
  /** From its abort on nothing may be written. */
  readonly signal: AbortSignal;
  /** Tells the user, as an Event on the ModelServing. */
  readonly warn: (reason: string, message: string) => void;
}

/** A create that came to nothing, for the user. Everything else that fails is thrown. */
export interface Refused {
  readonly reason: string;
  readonly message: string;
  readonly error: unknown;
  /** It says nothing about other objects: a name that is held, not a rule that is broken. */
  readonly alone?: boolean;
}

export function taken(kind: string, { metadata }: KubeObject, error: unknown): Refused {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  const holder = owner === undefined ? 'an object without owner' : `${owner.kind} ${owner.name}`;
  const message = `${kind} ${metadata.name} is needed, but the name is held by ${holder}; delete it or rename one of them`;
  return { reason: 'NameTaken', message, error, alone: true };
}
