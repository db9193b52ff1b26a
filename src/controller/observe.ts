import type { KubeObject, Pod } from '../api/kube.js';
import type { ModelServing } from '../api/types.js';
import type { Clock } from '../base/clock.js';
import type { PodGroupSupport } from '../core/rollout/build-pod-group.js';
import type { ControllerRevision, PodGroup, Snapshot } from '../core/rollout/observed.js';
import type { Memory } from './memory.js';
import { keyOf, OwnedIndex, type ServingKey } from './ownership.js';
import type { Watches } from './watches.js';

/** Reads from the watched stores and from memory; asks nobody. */
export class Observer {
  readonly #watches: Watches;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #pods: OwnedIndex<Pod>;
  readonly #services: OwnedIndex<KubeObject>;
  readonly #revisions: OwnedIndex<ControllerRevision>;
  #podGroups: OwnedIndex<PodGroup> | undefined;

  /** `onChange` is called for each serving that a change concerns. */
  constructor(parts: { watches: Watches; memory: Memory; clock: Clock }, onChange: (key: ServingKey) => void) {
    const { watches, memory } = parts;
    this.#watches = watches;
    this.#memory = memory;
    this.#clock = parts.clock;
    // Before the index: a round that a lost pod starts must know of the loss.
    watches.pods.subscribe((change) => memory.hear(change, (key) => this.#pods.of(key)));
    this.#pods = new OwnedIndex(watches.pods, onChange);
    this.#services = new OwnedIndex(watches.services, onChange);
    this.#revisions = new OwnedIndex(watches.revisions, onChange);
    watches.servings.subscribe(({ object }) => onChange(keyOf(object)));
    watches.podGroups.onStore((store) => {
      this.#podGroups?.close();
      this.#podGroups = store === undefined ? undefined : new OwnedIndex(store, onChange);
      for (const serving of watches.servings.list()) onChange(keyOf(serving));
    });
  }

  serving(key: ServingKey): ModelServing | undefined {
    const [namespace, name = ''] = key.split('/');
    return this.#watches.servings.get(namespace, name);
  }

  podGroupSupport(schedulerName: string): PodGroupSupport | undefined {
    return this.#watches.podGroups.supportFor(schedulerName);
  }

  snapshot(key: ServingKey): Snapshot {
    const now = this.#clock.now();
    const pods = this.#memory.withCreated(key, this.#pods.of(key), now);
    return {
      now,
      pods,
      services: this.#services.of(key),
      podGroups: this.#podGroups?.of(key) ?? [],
      revisions: this.#revisions.of(key),
      dismissed: this.#memory.dismissed(key),
      losses: this.#memory.losses(key, pods),
    };
  }
}
