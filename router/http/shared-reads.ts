import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** Takes what a socket has read. The bytes are only there during the call. */
export type Receive = (bytes: Buffer) => void;

/**
 * Sockets read into this one buffer, one after another. Otherwise Node takes 64 KB from the heap for each read and gives most
 * of it back, which costs more than the read, and drives what is used again out of the processor's caches.
 */
const readInto = Buffer.allocUnsafeSlow(64 * 1024);

/** The option `onread` of a socket that reads into the shared buffer. */
export function sharedReads(receive: Receive): OnReadOpts {
  const callback = (count: number): boolean => {
    receive(readInto.subarray(0, count));
    return true;
  };
  return { buffer: readInto, callback };
}

/** A socket's connection in Node's own terms, which its types do not name. */
interface Handle {
  readonly useUserBuffer?: unknown;
}
type WithHandle = Socket & { _handle?: Handle | null };
type HandleOptions = SocketConstructorOpts & { readonly handle: Handle; readonly onread: OnReadOpts };

/**
 * An accepted connection as a socket that reads into the shared buffer. Node has `onread` for sockets that connect only, so
 * the connection moves from the socket that the server made to one of our own; the old one closes without it. To be called
 * before anything listens to the old one. Undefined, and nothing done, where this Node keeps its connections differently.
 */
export function withSharedReads(accepted: Socket, receive: Receive): Socket | undefined {
  const old: WithHandle = accepted;
  const { _handle: handle } = old;
  if (!handle || typeof handle.useUserBuffer !== 'function') return undefined;
  old._handle = null;
  old.destroy();
  const options: HandleOptions = { handle, allowHalfOpen: accepted.allowHalfOpen, onread: sharedReads(receive) };
  return new Socket(options);
}
