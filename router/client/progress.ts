import type { Socket } from 'node:net';

/**
 * A number that changes whenever the other end takes something of what waits in a socket; `raw`: what carries its bytes. What
 * the kernel has taken of a write under way shows in the handle alone, where Node's own time limit of a socket looks for it.
 */
export function progressOf(socket: Socket, raw: Socket): number {
  const { _handle: handle } = raw as Socket & { readonly _handle?: { readonly writeQueueSize?: number } | null };
  return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0);
}
