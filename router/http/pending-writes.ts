import type { Socket } from 'node:net';

/** Called when the kernel has taken all of it, or with what went wrong. */
export type Sent = ((error?: Error | null) => void) | undefined;

/** A message that is put together only when it is written. */
export interface Message {
  writeTo(socket: Socket, sent: Sent): void;
}

/** Bytes that wait at most: libuv reads one connection up to 32 times in a turn, and must hear when its reader is behind. */
const mostWaiting = 128 * 1024;

/**
 * What all connections send in one turn of the event loop is written together at the turn's end, each message by a write of
 * its own. Between two reads a write costs far more (docs/performance.md): whoever it is for falls asleep after each and
 * must be woken for the next, and the code of reading and that of writing push each other out of the processor's caches.
 */
export class PendingWrites {
  readonly #sockets: Socket[] = [];
  readonly #payloads: (string | Buffer | Message)[] = [];
  readonly #sent: Sent[] = [];
  /** In texts and bytes; a message is one of a kind. */
  #waiting = 0;
  readonly #onTurnEnd = (): void => this.flush();

  /** Sends a text of one byte a character, bytes that do not change any more, or a message. False when the other end is behind. */
  put(socket: Socket, payload: string | Buffer | Message, sent?: Sent): boolean {
    if (this.#sockets.length === 0) setImmediate(this.#onTurnEnd);
    this.#sockets.push(socket);
    this.#payloads.push(payload);
    this.#sent.push(sent);
    if (typeof payload === 'string' || payload instanceof Buffer) this.#waiting += payload.length;
    if (this.#waiting > mostWaiting) this.flush();
    return !socket.writableNeedDrain;
  }

  /** Writes all of it now: for whoever does something else to a socket that may have something here. */
  flush(): void {
    for (let i = 0; i < this.#sockets.length; i += 1) this.#write(i);
    this.#sockets.length = 0;
    this.#payloads.length = 0;
    this.#sent.length = 0;
    this.#waiting = 0;
  }

  #write(i: number): void {
    const socket = this.#sockets[i];
    const payload = this.#payloads[i];
    if (socket === undefined || payload === undefined || !socket.writable) return;
    if (typeof payload === 'string') socket.write(payload, 'latin1', this.#sent[i]);
    else if ('writeTo' in payload) payload.writeTo(socket, this.#sent[i]);
    else socket.write(payload, this.#sent[i]);
  }
}

/** Of this thread, as its event loop is. */
export const pendingWrites = new PendingWrites();
