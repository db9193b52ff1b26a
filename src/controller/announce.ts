/** What users read in `kubectl describe`: Events about role instances and about what could not be done. */
import { apiVersion, workloadGroup } from '../api/names.js';
import type { ModelServing } from '../api/types.js';
import type { Desired } from '../core/rollout/desired.js';
import type { Observed } from '../core/rollout/observed.js';
import { type RoleState, roleChanges, roleStates } from '../core/rollout/role-states.js';
import type { EventAbout, EventRecorder } from '../kube/event-recorder.js';
import { keyOf, type ServingKey } from './ownership.js';

export class Announcer {
  readonly #events: EventRecorder;
  readonly #states = new Map<ServingKey, ReadonlyMap<string, RoleState>>();

  constructor(events: EventRecorder) {
    this.#events = events;
  }

  warn(serving: ModelServing, reason: string, message: string): void {
    this.#events.record(aboutOf(serving), { type: 'Warning', reason, message });
  }

  /** What is there when a serving is first seen is no change: after a restart nothing is told twice. */
  announce(serving: ModelServing, desired: Desired, observed: Observed): void {
    const key = keyOf(serving);
    const known = this.#states.get(key) ?? (serving.status?.observedGeneration === undefined ? new Map() : undefined);
    const states = roleStates(observed, desired);
    this.#states.set(key, states);
    for (const { reason, message } of known === undefined ? [] : roleChanges(known, states)) {
      this.#events.record(aboutOf(serving), { type: 'Normal', reason, message });
    }
  }

  forget(key: ServingKey): void {
    this.#states.delete(key);
  }
}

const aboutOf = ({ metadata }: ModelServing): EventAbout => ({
  apiVersion: `${workloadGroup}/${apiVersion}`,
  kind: 'ModelServing',
  namespace: metadata.namespace ?? 'default',
  name: metadata.name ?? '',
  uid: metadata.uid ?? '',
});
