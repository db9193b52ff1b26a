/**
 * What a watch cannot tell: pods created but not yet seen, pods dismissed on purpose, and pods that were lost. It may be
 * gone after a restart; then the planner judges by what is observed alone.
 */
import type { Pod } from '../api/kube.js';
import { labels } from '../api/names.js';
import type { Instant } from '../base/clock.js';
import type { Loss } from '../core/rollout/observed.js';
import type { Change } from '../kube/store.js';
import { type ServingKey, servingOf } from './ownership.js';

interface Remembered {
  readonly created: Map<string, { readonly pod: Pod; readonly at: Instant }>;
  readonly dismissed: Set<string>;
  losses: Loss[];
}

/** A created pod that no watch shows after so many milliseconds is believed gone. */
const unseenFor = 30_000;
const mostLosses = 50;

export class Memory {
  readonly #servings = new Map<ServingKey, Remembered>();

  created(key: ServingKey, pod: Pod, now: Instant): void {
    this.#of(key).created.set(pod.metadata.name ?? '', { pod, at: now });
  }

  dismiss(key: ServingKey, uid: string): void {
    this.#of(key).dismissed.add(uid);
  }

  /** The deletion was refused: its end would be a loss again. */
  recall(key: ServingKey, uid: string): void {
    this.#servings.get(key)?.dismissed.delete(uid);
  }

  dismissed(key: ServingKey): ReadonlySet<string> {
    return this.#servings.get(key)?.dismissed ?? new Set();
  }

  /** Losses that still have survivors among the pods. */
  losses(key: ServingKey, pods: readonly Pod[]): readonly Loss[] {
    const memory = this.#servings.get(key);
    if (memory === undefined) return [];
    const uids = new Set(pods.map(({ metadata }) => metadata.uid));
    memory.losses = memory.losses.filter(({ survivors }) => [...survivors].some((uid) => uids.has(uid)));
    return memory.losses;
  }

  /** The watched pods and those created that the watch does not show yet. */
  withCreated(key: ServingKey, seen: readonly Pod[], now: Instant): readonly Pod[] {
    const memory = this.#servings.get(key);
    if (memory === undefined || memory.created.size === 0) return seen;
    const names = new Set(seen.map(({ metadata }) => metadata.name));
    for (const [name, { at }] of memory.created) if (now - at > unseenFor) memory.created.delete(name);
    const unseen = [...memory.created].filter(([name]) => !names.has(name)).map(([, { pod }]) => pod);
    return [...seen, ...unseen];
  }

  /** Must hear every pod change, with the other pods of the same serving. */
  hear(change: Change<Pod>, peers: (key: ServingKey) => readonly Pod[]): void {
    const key = servingOf(change.object);
    if (key === undefined) return;
    const { name = '', uid = '' } = change.object.metadata;
    this.#servings.get(key)?.created.delete(name);
    if (change.type !== 'deleted') return;
    const memory = this.#of(key);
    if (!memory.dismissed.delete(uid)) this.#lose(memory, change.object, peers(key));
  }

  forget(key: ServingKey): void {
    this.#servings.delete(key);
  }

  /** Under recovery policy None a loss has no consequence, also not after the policy is changed. */
  forgetLosses(key: ServingKey): void {
    const memory = this.#servings.get(key);
    if (memory !== undefined) memory.losses = [];
  }

  #lose(memory: Remembered, lost: Pod, peers: readonly Pod[]): void {
    const { labels: marks = {}, uid } = lost.metadata;
    const group = marks[labels.groupName];
    if (group === undefined) return;
    const survivors = peers
      .filter(({ metadata }) => metadata.labels?.[labels.groupName] === group && metadata.uid !== uid)
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.uid ?? '');
    if (survivors.length === 0) return;
    memory.losses.push({ group, roleId: marks[labels.roleId] ?? '', survivors: new Set(survivors) });
    if (memory.losses.length > mostLosses) memory.losses.shift();
  }

  #of(key: ServingKey): Remembered {
    const memory = this.#servings.get(key) ?? { created: new Map(), dismissed: new Set(), losses: [] };
    this.#servings.set(key, memory);
    return memory;
  }
}
