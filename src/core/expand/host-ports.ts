/**
 * Ports of pods that use the node's network. The API port stays, because a ModelServer names one for all its pods: so it
 * is declared, and the scheduler itself keeps two pods that declare one port off the same node. All instances of a role
 * have the same API port and are apart already; what remains are roles with different API ports, so each role gets a block
 * of its own for the other ports.
 */
const portsPerRole = 200;
/** Blocks until the first port of one meets the next port in use (5600 and 8000); a role after that shares, and is kept apart. */
const blocks = 10;

/** What a role adds to its movable ports. */
export const portShift = (hostNetwork: boolean, roleIndex: number): number =>
  hostNetwork ? (roleIndex % blocks) * portsPerRole : 0;

/** Whether a pod spec that nobody has validated yet asks for the node's network. */
export const usesHostNetwork = (spec: unknown): boolean =>
  typeof spec === 'object' && spec !== null && (spec as { hostNetwork?: unknown }).hostNetwork === true;
