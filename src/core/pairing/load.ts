import type { Instant } from '../../base/clock.js';
import type { Endpoint } from './endpoint.js';

/** What the router itself has given to one pod and not got back. */
export interface EndpointLoad {
  inFlight: number;
  /** Bytes of prompts that wait for, or are in, their prefill on this pod. */
  queuedBytes: number;
  /** Until when the pod is avoided because it failed; 0 when it did not. */
  avoidUntil: Instant;
}

const idle: Readonly<EndpointLoad> = Object.freeze({ inFlight: 0, queuedBytes: 0, avoidUntil: 0 });

/** The share of load that one request holds; each part is given back once, however often it is asked. */
export interface Reservation {
  /** The prompt has been computed: its bytes no longer wait on the prefill pod. */
  prefillDone(): void;
  release(): void;
}

/** Load by pod, from this router's own reservations: no scrape, so no delay between a choice and its effect. */
export class LoadTable {
  readonly #byUid = new Map<string, EndpointLoad>();

  of(endpoint: Endpoint): Readonly<EndpointLoad> {
    return this.#byUid.get(endpoint.uid) ?? idle;
  }

  /** Takes one place on each pod and queues the prompt on `prefill`, at once. For a plain request both are the same pod. */
  reserve(prefill: Endpoint, decode: Endpoint, promptBytes: number): Reservation {
    const first = this.#entry(prefill);
    const second = prefill.uid === decode.uid ? undefined : this.#entry(decode);
    first.inFlight += 1;
    first.queuedBytes += promptBytes;
    if (second) second.inFlight += 1;
    let holdsPrefill = true;
    let holdsDecode = true;
    const prefillDone = () => {
      if (!holdsPrefill) return;
      holdsPrefill = false;
      first.queuedBytes -= promptBytes;
      if (second) first.inFlight -= 1;
    };
    return {
      prefillDone,
      release: () => {
        prefillDone();
        if (!holdsDecode) return;
        holdsDecode = false;
        (second ?? first).inFlight -= 1;
      },
    };
  }

  /** A pod that failed is chosen only when nothing else is left, until the given time. */
  avoid(endpoint: Endpoint, until: Instant): void {
    this.#entry(endpoint).avoidUntil = until;
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

  #entry({ uid }: Endpoint): EndpointLoad {
    let load = this.#byUid.get(uid);
    if (!load) {
      load = { inFlight: 0, queuedBytes: 0, avoidUntil: 0 };
      this.#byUid.set(uid, load);
    }
    return load;
  }
}
