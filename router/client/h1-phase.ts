export interface ConnectionLimits {
  readonly headerBytes: number;
  /** Milliseconds from a request's first byte, or from the connection, to the end of its head; 0 for no limit. */
  readonly headMs: number;
  /** From a request's first byte to its last; 0 for no limit. */
  readonly requestMs: number;
  /** Between two requests. */
  readonly keepAliveMs: number;
  /** How long a client may take nothing of the answers that wait for it. */
  readonly slowClientMs: number;
}

/**
 * `fresh` and `idle`: before the first request and between two; `head`: some of one has come; `body`: somebody reads a body;
 * `busy`: an answer is due; `ahead`: what came before it was complete is looked at next, once the client has taken the answers
 * so far; `closing`: nothing is read any more.
 */
export type Phase = 'fresh' | 'idle' | 'head' | 'body' | 'busy' | 'ahead' | 'closing';

/** How long a client whose connection ends has to read its answer and to close its own side. */
export const lingerMs = 1000;

/** Whether answers that wait for the client are all there is to wait for. */
export const waitsForClient = (phase: Phase): boolean => phase === 'idle' || phase === 'ahead' || phase === 'closing';

/** How long a connection may stay in a phase, in milliseconds; 0: no limit. `isBehind`: answers wait for the client. */
export function limitOf(phase: Phase, isBehind: boolean, limits: ConnectionLimits): number {
  if (isBehind) return limits.slowClientMs;
  switch (phase) {
    case 'fresh':
    case 'head':
      return limits.headMs;
    case 'body':
      return limits.requestMs;
    case 'idle':
      return limits.keepAliveMs;
    case 'closing':
      return lingerMs;
    case 'busy': // whoever answers keeps the time
    case 'ahead':
      return 0;
  }
}
