import type { TandemError } from '../src/base/errors.js';
import { AnswerWatch } from './answer-watch.js';
import type { ClientAnswer } from './client-answer.js';
import { copyOf, type EngineAnswer } from './collect.js';
import type { Exchange } from './engine/exchange.js';
import type { EngineFailure } from './engine/failure.js';
import type { Call } from './engine/pool.js';
import type { ResponseHead } from './engine/response-head.js';
import { routerErrors } from './router-errors.js';

/** A stretch up to this size is passed on as text, which Node takes without a buffer of its own. */
const textUpTo = 8 * 1024;

/** A stretch of body that is kept, inside its framing. */
interface Piece {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
}

/** How a relayed leg ended. After `answered`, `failed` and `gave-up` the client has got nothing yet. */
export type RelayEnd =
  | { readonly kind: 'answered'; readonly answer: EngineAnswer }
  | { readonly kind: 'failed'; readonly failure: EngineFailure }
  | { readonly kind: 'gave-up'; readonly why: string }
  | { readonly kind: 'streamed' }
  | { readonly kind: 'broken'; readonly why: string }
  | { readonly kind: 'slow-client' };

export interface RelayOptions {
  readonly answer: ClientAnswer;
  /** Largest answer held back until it is whole. */
  readonly holdUpTo: number;
  readonly slowClientMs: number;
  /** Called once before the first byte goes to the client. */
  readonly beforeAnswer: () => void;
  /** Hears the end first, and may see it differently. */
  readonly over: (end: RelayEnd) => RelayEnd;
  /** How the client is told that the engine failed in the middle. */
  readonly describe: (why: string, failure: EngineFailure | undefined) => TandemError;
}

/**
 * Passes an engine's answer on as it comes, at the client's pace. A short answer and an error are held back whole, so that
 * the owner can still ask another engine; a stream is held back until its first event.
 */
export class Relay implements Exchange {
  /** Resolves with what `over` makes of the end. */
  readonly end: Promise<RelayEnd>;
  readonly watch = new AnswerWatch();
  /** When the first byte of content came; undefined before. */
  firstAt: number | undefined;
  /** The client left before the engine had begun to give content. */
  leftBefore = false;
  readonly #options: RelayOptions;
  readonly #held: Piece[] = [];
  #heldBytes = 0;
  #holds = false;
  #head: ResponseHead | undefined;
  #call: Call | undefined;
  #begun = false;
  #over = false;
  #stalled: NodeJS.Timeout | undefined;
  #resolve: (end: RelayEnd) => void = () => undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.end = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** The client has got the first byte. */
  get begun(): boolean {
    return this.#begun;
  }

  /** The engine has begun to give content, for which it has read the KV of a pair. */
  get hasContent(): boolean {
    return this.firstAt !== undefined && this.#head !== undefined && this.#head.status < 300;
  }

  attach(call: Call): void {
    this.#call = call;
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    const { framing, status } = head;
    this.#holds =
      status >= 400 || (framing.by === 'length' && framing.bytes <= this.#options.holdUpTo) || framing.by === 'nothing';
  }

  onBody(bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number): void {
    if (this.#over) return;
    this.firstAt ??= performance.now();
    if (!this.#holds) this.#forward(bytes, from, to, framedFrom, framedTo);
    else this.#hold(copyOf(bytes, framedFrom, framedTo), from - framedFrom, to - framedFrom);
  }

  onEnd(): void {
    if (this.#over || !this.#head) return;
    if (this.#holds) {
      const { status, headers, isDated } = this.#head;
      const body = joined(this.#held);
      this.#finish({ kind: 'answered', answer: { status, headers, isDated, body } });
      return;
    }
    this.#begin();
    this.#options.answer.end();
    this.#finish({ kind: 'streamed' });
  }

  onFailure(failure: EngineFailure): void {
    if (this.#over) return;
    if (!this.#begun) {
      this.#finish({ kind: 'failed', failure });
      return;
    }
    this.#break(failure.message, failure);
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    this.#held.push({ bytes, from, to });
    this.#heldBytes += to - from;
    if (this.#heldBytes <= this.#options.holdUpTo) return;
    this.#holds = false;
    for (const part of this.#held.splice(0)) this.#forward(part.bytes, part.from, part.to, 0, part.bytes.length);
  }

  #forward(bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number): void {
    if (this.#over) return;
    if (this.#options.answer.clientLeft) {
      this.#call?.abort('the client left');
      return;
    }
    if (framedTo - framedFrom > textUpTo) this.#forwardLarge(bytes, from, to, framedFrom, framedTo);
    else this.#forwardText(bytes.toString('latin1', framedFrom, framedTo), from - framedFrom, to - framedFrom);
  }

  /** One text serves the watch and the client. */
  #forwardText(framed: string, from: number, to: number): void {
    if (this.#isGivenUp(framed, from, to)) return;
    this.#begin();
    if (!this.#options.answer.passText(framed, from, to)) this.#waitForClient();
  }

  #forwardLarge(bytes: Buffer, from: number, to: number, framedFrom: number, framedTo: number): void {
    if (this.#isGivenUp(bytes.toString('latin1', from, to), 0, to - from)) return;
    this.#begin();
    if (!this.#options.answer.pass(bytes, from, to, framedFrom, framedTo)) this.#waitForClient();
  }

  #isGivenUp(text: string, from: number, to: number): boolean {
    const why = this.#head && this.#head.status < 400 ? this.watch.look(text, from, to) : undefined;
    if (why !== undefined) this.#gaveUp(why);
    return why !== undefined;
  }

  #begin(): void {
    if (this.#begun || !this.#head) return;
    this.#begun = true;
    this.#options.beforeAnswer();
    if (!this.#options.answer.begun) this.#options.answer.begin(this.#head);
  }

  #gaveUp(why: string): void {
    if (this.#begun) this.#break(why, undefined);
    else this.#finish({ kind: 'gave-up', why });
    this.#call?.abort(why);
  }

  #break(why: string, failure: EngineFailure | undefined): void {
    this.#options.answer.fail(this.#options.describe(why, failure));
    this.#finish({ kind: 'broken', why });
  }

  #waitForClient(): void {
    if (this.#stalled) return;
    this.#call?.pause();
    this.#lookLater();
    this.#options.answer.whenDrained(() => {
      clearTimeout(this.#stalled);
      this.#stalled = undefined;
      this.#call?.resume();
    });
  }

  /** As long as the client takes something it is waited for. */
  #lookLater(): void {
    const { answer, slowClientMs } = this.#options;
    const before = answer.progress;
    this.#stalled = setTimeout(() => {
      if (answer.progress === before) this.#giveClientUp(slowClientMs);
      else this.#lookLater();
    }, slowClientMs);
  }

  #giveClientUp(ms: number): void {
    const { message } = routerErrors('slow-client', { seconds: ms / 1000 });
    this.#options.answer.cut();
    this.#finish({ kind: 'slow-client' });
    this.#call?.abort(message);
  }

  #finish(end: RelayEnd): void {
    this.#over = true;
    clearTimeout(this.#stalled);
    this.#resolve(this.#options.over(end));
  }
}

function joined(held: readonly Piece[]): Buffer {
  const [first] = held;
  if (held.length === 1 && first && first.to === first.bytes.length && first.from === 0) return first.bytes;
  return Buffer.concat(held.map(({ bytes, from, to }) => bytes.subarray(from, to)));
}
