/** What bounds one router process. Bytes and milliseconds; 0 switches a time limit off. */
export interface Limits {
  readonly bodyBytes: number;
  readonly headerBytes: number;
  readonly requestsInFlight: number;
  /** All bodies that are held at one moment. */
  readonly bodyBytesInFlight: number;
  readonly connections: number;
  /** Of one client address. A gateway is one client. */
  readonly connectionsPerClient: number;
  /** From the first byte of a request to its last. */
  readonly requestMs: number;
  /** How long a client's connection may stay open between two requests. */
  readonly keepAliveMs: number;
  readonly connectMs: number;
  /** From the request to the engine's response head, where the ModelServer sets no timeout. */
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** Between two reads of an answer. */
  readonly idleMs: number;
  /** How long a client may take nothing while the engine has more for it. */
  readonly slowClientMs: number;
  /** How long open streams may go on after a stop was asked for. */
  readonly drainMs: number;
  /** After how much silence a streaming client gets an SSE comment; 0 sends none. */
  readonly heartbeatMs: number;
  /** How long a decode leg whose client left stays open after delivery, so that the engine learns of the KV to give back. */
  readonly deliverMs: number;
  /** How long each one-token leg may take that only gives back the KV of a client who left before decode was asked. */
  readonly abandonedMs: number;
  /** How long a pod that failed is avoided. */
  readonly avoidMs: number;
  /** Pairs tried for one request. */
  readonly attempts: number;
  /** Largest answer that is held back until it is whole, so that a failed one can still be retried. */
  readonly heldAnswerBytes: number;
}

export const defaultLimits: Limits = {
  bodyBytes: 64 * 1024 * 1024,
  headerBytes: 32 * 1024,
  requestsInFlight: 20_000,
  bodyBytesInFlight: 1024 * 1024 * 1024,
  connections: 50_000,
  connectionsPerClient: 25_000,
  requestMs: 60_000,
  keepAliveMs: 75_000,
  connectMs: 3000,
  prefillMs: 300_000,
  decodeMs: 600_000,
  idleMs: 300_000,
  slowClientMs: 60_000,
  drainMs: 30_000,
  heartbeatMs: 0,
  deliverMs: 1000,
  abandonedMs: 10_000,
  avoidMs: 5000,
  attempts: 3,
  heldAnswerBytes: 1024 * 1024,
};
