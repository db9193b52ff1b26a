import { connect, type TLSSocket } from 'node:tls';
import type { Reviews } from './reviews.js';

export interface Target {
  readonly port: number;
  /** PEM that the target's certificate is checked against. */
  readonly ca: string;
}

export interface Reviewed {
  readonly reviews: number;
  readonly wrong: number;
  readonly milliseconds: number;
  /** Milliseconds from when it was due to the last byte of its answer, one per review. */
  readonly latencies: readonly number[];
}

/** Each connection asks and asks again as soon as it is answered, until the time or the number of reviews is used up. */
export async function closedLoop(
  target: Target,
  reviews: Reviews,
  limits: { readonly connections: number; readonly milliseconds?: number; readonly reviews?: number },
): Promise<Reviewed> {
  const asker = new Asker(target, reviews);
  const connections = await Promise.all(Array.from({ length: limits.connections }, () => asker.open()));
  const begun = performance.now();
  const until = begun + (limits.milliseconds ?? Number.POSITIVE_INFINITY);
  const most = limits.reviews ?? Number.POSITIVE_INFINITY;
  await Promise.all(
    connections.map(async (connection) => {
      while (asker.asked < most && performance.now() < until) await asker.ask(connection);
      connection.socket.destroy();
    }),
  );
  return asker.result(begun);
}

/** Asks at a steady rate, whatever is still unanswered; a review that finds no idle connection waits, and that counts. */
export async function openLoop(
  target: Target,
  reviews: Reviews,
  { perSecond, milliseconds }: { readonly perSecond: number; readonly milliseconds: number },
): Promise<Reviewed> {
  const asker = new Asker(target, reviews);
  const idle = await Promise.all(Array.from({ length: openConnections }, () => asker.open()));
  const due: number[] = [];
  const pending = new Set<Promise<void>>();
  const begun = performance.now();
  const all = Math.floor((perSecond * milliseconds) / 1000);
  const askDue = () => {
    while (idle.length > 0 && due.length > 0) {
      const connection = idle.pop();
      if (!connection) return;
      const one = asker.ask(connection, due.shift()).then(() => {
        pending.delete(one);
        idle.push(connection);
        askDue();
      });
      pending.add(one);
    }
  };
  for (let issued = 0; issued < all; ) {
    const now = performance.now();
    for (; issued < Math.min(all, ((now - begun) * perSecond) / 1000); issued += 1) due.push(now);
    askDue();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (pending.size > 0) await Promise.all(pending);
  for (const { socket } of idle) socket.destroy();
  return asker.result(begun);
}

/** More than an API server keeps open to one webhook. */
const openConnections = 64;

/** One review and its answer, read as JSON. */
export async function askOnce(target: Target, reviews: Reviews): Promise<unknown> {
  const asker = new Asker(target, reviews);
  const connection = await asker.open();
  const answer = await asker.ask(connection);
  connection.socket.destroy();
  return JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
}

interface Connection {
  readonly socket: TLSSocket;
  /** Called with each piece of an answer, and with an error when the connection ends. */
  onPiece: (piece: Buffer) => void;
  onEnd: (error: Error) => void;
}

/** Sends the bodies in turn and counts what comes back. */
class Asker {
  asked = 0;
  readonly #target: Target;
  readonly #requests: readonly Buffer[];
  readonly #fresh: Reviews['fresh'];
  readonly #latencies: number[] = [];
  #wrong = 0;

  constructor(target: Target, { path, bodies, fresh }: Reviews) {
    this.#target = target;
    this.#fresh = fresh;
    this.#requests = bodies.map((body) =>
      Buffer.from(
        `POST ${path}?timeout=10s HTTP/1.1\r\nhost: 127.0.0.1:${target.port}\r\nuser-agent: kube-apiserver-admission\r\n` +
          'accept: application/json, */*\r\ncontent-type: application/json\r\n' +
          `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      ),
    );
  }

  async open(): Promise<Connection> {
    const { port, ca } = this.#target;
    const socket = connect({ host: '127.0.0.1', port, ca });
    const connection: Connection = { socket, onPiece: () => undefined, onEnd: () => undefined };
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('secureConnect', resolve);
    });
    socket.setNoDelay(true);
    socket.on('data', (piece: Buffer) => connection.onPiece(piece));
    socket.on('error', (error) => connection.onEnd(error));
    socket.on('close', () => connection.onEnd(new Error('the connection closed in the middle of an answer')));
    return connection;
  }

  /** Resolves with head and body of the answer. */
  ask(connection: Connection, since = performance.now()): Promise<string> {
    const request = this.#next();
    this.asked += 1;
    return new Promise((resolve, reject) => {
      let answer = '';
      connection.onEnd = reject;
      connection.onPiece = (piece) => {
        answer += piece.toString('latin1');
        if (!isWhole(answer)) return;
        this.#latencies.push(performance.now() - since);
        if (!answer.startsWith('HTTP/1.1 200') || !answer.includes('"patch":"')) this.#wrong += 1;
        resolve(answer);
      };
      connection.socket.write(request);
    });
  }

  #next(): Buffer {
    const request = this.#requests[this.asked % this.#requests.length] ?? Buffer.alloc(0);
    return this.#fresh && this.asked % this.#fresh.every === 0 ? renewed(request, this.#fresh.mark) : request;
  }

  result(begun: number): Reviewed {
    const latencies = this.#latencies;
    return { reviews: latencies.length, wrong: this.#wrong, milliseconds: performance.now() - begun, latencies };
  }
}

const digits = 6;
let freshNumber = 10 ** (digits - 1);

/** A copy with a number that no request had before it behind each mark. */
function renewed(request: Buffer, mark: string): Buffer {
  const copy = Buffer.from(request);
  freshNumber = freshNumber + 1 < 10 ** digits ? freshNumber + 1 : 10 ** (digits - 1);
  for (let at = copy.indexOf(mark); at >= 0; at = copy.indexOf(mark, at + 1)) {
    copy.write(String(freshNumber), at + mark.length, 'latin1');
  }
  return copy;
}

/** Whether head and body of an answer are there; Go sends a body beyond 2 KB in chunks. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, end))?.[1];
  if (length !== undefined) return answer.length >= end + 4 + Number(length);
  return answer.endsWith('\r\n0\r\n\r\n');
}
