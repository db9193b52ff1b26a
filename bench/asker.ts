import { connect, type Socket } from 'node:net';

/** What clients saw since they began; read twice, the difference is a window's. */
export interface Seen {
  requests: number;
  /** Events of streams, `[DONE]` included. */
  chunks: number;
  /** Reads that held at least one event. */
  reads: number;
  wrong: number;
  /** The first wrong answer, for a person to see. */
  firstWrong?: string;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

const nothing = (): Seen => ({ requests: 0, chunks: 0, reads: 0, wrong: 0 });
export const seenNothing = nothing;

const event = 'data: ';
const done = 'data: [DONE]';
/** Clients come from several addresses, so that ports do not run out with 10,000 streams. */
const sources = Array.from({ length: 8 }, (_, i) => `127.0.9.${i + 1}`);
let opened = 0;

type Reader = (text: string) => void;

/** One keep-alive connection that asks one thing at a time. */
export class Asker {
  readonly socket: Socket;
  #reader: Reader = () => undefined;
  #closed: (error: Error) => void = () => undefined;

  private constructor(target: Target) {
    opened += 1;
    const asker = this;
    this.socket = connect({
      ...target,
      localAddress: sources[opened % sources.length] ?? '127.0.0.1',
      noDelay: true,
      // One buffer for all connections: the generator shall cost little.
      onread: {
        buffer: shared,
        callback(bytes) {
          asker.#reader(shared.toString('latin1', 0, bytes));
          return true;
        },
      },
    });
    this.socket.on('error', (error) => this.#closed(error));
    this.socket.on('close', () => this.#closed(new Error('the connection closed in the middle of an answer')));
  }

  static open(target: Target): Promise<Asker> {
    return new Promise((resolve, reject) => {
      const asker = new Asker(target);
      asker.#closed = reject;
      asker.socket.once('connect', () => resolve(asker));
    });
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  /** Asks for a whole answer, and reads it to its end. */
  whole(request: Buffer, seen: Seen): Promise<void> {
    return this.#exchange(request, (resolve) => {
      let got = '';
      return (text) => {
        got = got === '' ? text : got + text;
        if (!isWhole(got)) return;
        seen.requests += 1;
        if (!got.startsWith('HTTP/1.1 200') || !got.includes('"finish_reason":"stop"')) isWrong(seen, got);
        resolve();
      };
    });
  }

  /** Asks for a stream of so many chunks, and reads it to its end. */
  stream(request: Buffer, chunks: number, seen: Seen): Promise<void> {
    return this.#exchange(request, (resolve) => {
      let count = 0;
      /** All that came before the first event. */
      let head = '';
      let carried = '';
      let isDone = false;
      return (text) => {
        if (count === 0) head += text;
        const all = carried + text;
        const found = countEvents(all, Math.max(0, carried.length - event.length + 1));
        count += found;
        seen.chunks += found;
        if (found > 0) seen.reads += 1;
        isDone ||= all.includes(done);
        carried = all.slice(-done.length + 1);
        const isRefused = count === 0 && isWhole(head);
        if (!isRefused && !(isDone && all.endsWith('0\r\n\r\n'))) return;
        seen.requests += 1;
        if (isRefused || count !== chunks + 1) isWrong(seen, `${count - 1} of ${chunks} chunks: ${head}`);
        resolve();
      };
    });
  }

  /** Asks for a stream, and resolves with its first event. */
  firstEvent(request: Buffer): Promise<void> {
    return this.#exchange(request, (resolve, reject) => {
      let got = '';
      return (text) => {
        got += text;
        if (!got.startsWith('HTTP/1.1 200')) reject(new Error(`no stream: ${got.slice(0, 300)}`));
        else if (got.includes(event)) resolve();
      };
    });
  }

  #exchange(request: Buffer, reading: (resolve: () => void, reject: (error: Error) => void) => Reader): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#closed = reject;
      this.#reader = reading(resolve, reject);
      this.socket.write(request);
    });
  }

  /** Asks, and reads nothing of the answer. */
  askAndIgnore(request: Buffer): void {
    this.socket.pause();
    this.socket.write(request);
  }

  close(): void {
    this.#closed = () => undefined;
    this.socket.destroy();
  }
}

const shared = Buffer.allocUnsafe(256 * 1024);

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /content-length: *(\d+)/i.exec(text)?.[1];
  return length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= end + 4 + Number(length);
}

function countEvents(text: string, from: number): number {
  let count = 0;
  for (let at = text.indexOf(event, from); at >= 0; at = text.indexOf(event, at + event.length)) count += 1;
  return count;
}

function isWrong(seen: Seen, text: string): void {
  seen.wrong += 1;
  seen.firstWrong ??= text.slice(0, 400);
}
