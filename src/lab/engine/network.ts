import { table } from '../../base/errors.js';
import type { Content } from './blocks.js';

export const networkErrors = table({
  'side-channel-in-use': {
    status: 500,
    retryable: false,
    says: (m: { address: string; engine: string }) =>
      `the KV side channel ${m.address} already belongs to engine ${m.engine}; give each engine of one address its own side-channel port`,
  },
});

/** The side of an engine that another engine can reach: what a NIXL agent or a Mooncake session offers. */
export interface Peer {
  readonly engineId: string;
  /** Everything that must be equal on both sides, as one text. */
  readonly compatibility: string;
  readonly blockSize: number;
  readonly isAlive: boolean;
  /** Undefined when an id does not exist in that engine. */
  read(ids: readonly number[]): readonly (Content | undefined)[] | undefined;
  /** Holds the lease of a hand-over open while the caller has it queued; the returned function ends that. */
  heartbeat(requestId: string): () => void;
  /** The hand-over was read, or is not wanted any more. False when it was not known, usually because it expired. */
  done(requestId: string): boolean;
}

/** The KV network of one lab: which engine answers on which side-channel address. In process, shared by all engines. */
export class EngineNetwork {
  readonly #peers = new Map<string, Peer>();

  /** Registers a side channel; returns how to take it down. `own` is the address of the pod that listens. */
  bind(host: string, port: number, own: string, peer: Peer): () => void {
    const address = `${reach(host, own)}:${port}`;
    const taken = this.#peers.get(address);
    if (taken) throw networkErrors('side-channel-in-use', { address, engine: taken.engineId });
    this.#peers.set(address, peer);
    return () => {
      if (this.#peers.get(address) === peer) this.#peers.delete(address);
    };
  }

  /** Who answers when the pod with address `own` dials `host:port`; undefined when the connection is refused. */
  dial(host: string, port: number, own: string): Peer | undefined {
    return this.#peers.get(`${reach(host, own)}:${port}`);
  }
}

/** A wildcard or loopback name always means the machine that says it. */
function reach(host: string, own: string): string {
  return ['0.0.0.0', '::', '', '*', 'localhost', '127.0.0.1', '::1'].includes(host) ? own : host;
}
