import type { Instant } from '../../base/clock.js';
import type { Endpoint } from './endpoint.js';

/** What has been given to one pod and not been got back, by this worker and by the others of the same router. */
export interface EndpointLoad {
  inFlight: number;
  /** Bytes of prompts that wait for, or are in, their prefill on this pod. */
  queuedBytes: number;
  /** Until when the pod is avoided because it failed; 0 when it did not. */
  avoidUntil: Instant;
}

/**
 * What one worker holds on one pod, as it tells the others: a state and no difference, so that a lost or repeated row is
 * made good by the next one.
 */
export type LoadRow = readonly [uid: string, inFlight: number, queuedBytes: number, avoidUntil: Instant];

interface Entry extends EndpointLoad {
  readonly uid: string;
  /** The parts of `inFlight` and `queuedBytes` that other workers hold. */
  othersInFlight: number;
  othersQueuedBytes: number;
  /** What this worker holds has changed since the others were told. */
  hasChanged: boolean;
}

const idle: Readonly<EndpointLoad> = Object.freeze({ inFlight: 0, queuedBytes: 0, avoidUntil: 0 });

/** The share of load that one request holds; each part is given back once, however often it is asked. */
export interface Reservation {
  /** The prompt has been computed: its bytes no longer wait on the prefill pod. */
  prefillDone(): void;
  release(): void;
}

/** Load by pod, from the router's own reservations: no scrape, so no delay between a choice and its effect. */
export class LoadTable {
  readonly #byUid = new Map<string, Entry>();
  /** What each other worker holds, by pod. */
  readonly #others = new Map<number, Map<string, LoadRow>>();
  #changed: Entry[] = [];
  #onChange: (() => void) | undefined;

  of(endpoint: Endpoint): Readonly<EndpointLoad> {
    return this.#byUid.get(endpoint.uid) ?? idle;
  }

  /** Takes one place on each pod and queues the prompt on `prefill`, at once. For a plain request both are the same pod. */
  reserve(prefill: Endpoint, decode: Endpoint, promptBytes: number): Reservation {
    const first = this.#entry(prefill.uid);
    const second = prefill.uid === decode.uid ? undefined : this.#entry(decode.uid);
    first.inFlight += 1;
    first.queuedBytes += promptBytes;
    this.#note(first);
    if (second) {
      second.inFlight += 1;
      this.#note(second);
    }
    let holdsPrefill = true;
    let holdsDecode = true;
    const prefillDone = () => {
      if (!holdsPrefill) return;
      holdsPrefill = false;
      first.queuedBytes -= promptBytes;
      if (second) first.inFlight -= 1;
      this.#note(first);
    };
    return {
      prefillDone,
      release: () => {
        prefillDone();
        if (!holdsDecode) return;
        holdsDecode = false;
        const last = second ?? first;
        last.inFlight -= 1;
        this.#note(last);
      },
    };
  }

  /** A pod that failed is chosen only when nothing else is left, until the given time. */
  avoid(endpoint: Endpoint, until: Instant): void {
    const entry = this.#entry(endpoint.uid);
    entry.avoidUntil = until;
    this.#note(entry);
  }

  /** Forgets pods that are gone, unless they still hold requests. */
  keepOnly(uids: ReadonlySet<string>): void {
    for (const [uid, load] of this.#byUid) {
      if (!uids.has(uid) && load.inFlight === 0) this.#byUid.delete(uid);
    }
  }

  get size(): number {
    return this.#byUid.size;
  }

  /** Places taken on all pods. */
  get places(): { readonly own: number; readonly others: number } {
    let own = 0;
    let others = 0;
    for (const { inFlight, othersInFlight } of this.#byUid.values()) {
      own += inFlight - othersInFlight;
      others += othersInFlight;
    }
    return { own, others };
  }

  /** From now on changes of what this worker holds are kept for `changes`; the first of them is told at once. */
  share(onChange: () => void): void {
    this.#onChange = onChange;
  }

  /** What this worker holds on each pod where that has changed since the last time. */
  changes(): readonly LoadRow[] {
    const changed = this.#changed;
    this.#changed = [];
    return changed.map((entry) => {
      entry.hasChanged = false;
      const { uid, inFlight, othersInFlight, queuedBytes, othersQueuedBytes, avoidUntil } = entry;
      return [uid, inFlight - othersInFlight, queuedBytes - othersQueuedBytes, avoidUntil];
    });
  }

  /** Takes over what another worker says that it holds. */
  takeFrom(worker: number, rows: readonly LoadRow[]): void {
    let held = this.#others.get(worker);
    if (!held) {
      held = new Map();
      this.#others.set(worker, held);
    }
    for (const row of rows) {
      const [uid, inFlight, queuedBytes] = row;
      this.#addOthers(row, held.get(uid));
      if (inFlight === 0 && queuedBytes === 0) held.delete(uid);
      else held.set(uid, row);
    }
  }

  /** A worker is gone, and with it all that it held. */
  drop(worker: number): void {
    const held = this.#others.get(worker);
    this.#others.delete(worker);
    for (const row of held?.values() ?? []) this.#addOthers([row[0], 0, 0, 0], row);
  }

  #addOthers([uid, inFlight, queuedBytes, avoidUntil]: LoadRow, before: LoadRow | undefined): void {
    const entry = this.#entry(uid);
    const more = inFlight - (before?.[1] ?? 0);
    const moreBytes = queuedBytes - (before?.[2] ?? 0);
    entry.inFlight += more;
    entry.othersInFlight += more;
    entry.queuedBytes += moreBytes;
    entry.othersQueuedBytes += moreBytes;
    if (avoidUntil > entry.avoidUntil) entry.avoidUntil = avoidUntil;
  }

  #note(entry: Entry): void {
    if (!this.#onChange || entry.hasChanged) return;
    entry.hasChanged = true;
    if (this.#changed.push(entry) === 1) this.#onChange();
  }

  #entry(uid: string): Entry {
    let load = this.#byUid.get(uid);
    if (!load) {
      load = {
        uid,
        inFlight: 0,
        queuedBytes: 0,
        avoidUntil: 0,
        othersInFlight: 0,
        othersQueuedBytes: 0,
        hasChanged: false,
      };
      this.#byUid.set(uid, load);
    }
    return load;
  }
}
