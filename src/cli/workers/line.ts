/** What the primary and a worker say to each other: JSON over the channel that node:cluster opens between them. */
import type { Batch } from '../../../router/sharing.js';

export type Question = 'metrics' | 'ready';

export type Message =
  /** Worker to primary: it accepts clients on this address. */
  | { readonly is: 'listening'; readonly host: string; readonly port: number }
  /** Worker to primary: what it serves from has been listed. */
  | { readonly is: 'ready' }
  /** Worker to primary: it listens to what others say, and has heard nothing yet. */
  | { readonly is: 'joined' }
  /** Worker to primary: for all others. */
  | { readonly is: 'batch'; readonly batch: Batch }
  /** Primary to worker: what others said, each with its number. */
  | { readonly is: 'batches'; readonly batches: readonly (readonly [from: number, batch: Batch])[] }
  | { readonly is: 'gone'; readonly worker: number }
  | { readonly is: 'stop' }
  | { readonly is: 'question'; readonly id: number; readonly about: Question }
  /** Without a text where there is none to give. */
  | { readonly is: 'answer'; readonly id: number; readonly text?: string };

export type Send = (message: Message, sent: () => void) => void;
export type Answer = (about: Question) => string | Promise<string>;

/** One end of a channel. Questions and their answers are dealt with here, all else is for the owner. */
export class Line {
  readonly #send: Send;
  readonly #answer: Answer;
  readonly #onNoAnswer: (error: unknown) => void;
  readonly #open = new Map<number, (text: string | undefined) => void>();
  #lastId = 0;

  /** @param onNoAnswer hears why a question could not be answered; who asked is told that there is no answer */
  constructor(send: Send, answer: Answer, onNoAnswer: (error: unknown) => void) {
    this.#send = send;
    this.#answer = answer;
    this.#onNoAnswer = onNoAnswer;
  }

  send(message: Message, sent: () => void = () => undefined): void {
    this.#send(message, sent);
  }

  /** The other end's answer; undefined when there is none in time, or never will be. */
  ask(about: Question, withinMs: number): Promise<string | undefined> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const settle = (text: string | undefined) => {
        clearTimeout(timer);
        this.#open.delete(id);
        resolve(text);
      };
      const timer = setTimeout(() => settle(undefined), withinMs);
      this.#open.set(id, settle);
      this.send({ is: 'question', id, about });
    });
  }

  /** Returns the message when it is for the owner. */
  receive(message: Message): Message | undefined {
    if (message.is === 'answer') this.#open.get(message.id)?.(message.text);
    else if (message.is === 'question') void this.#reply(message.id, message.about);
    else return message;
    return undefined;
  }

  /** The other end is gone: nothing will be answered any more. */
  close(): void {
    for (const settle of [...this.#open.values()]) settle(undefined);
  }

  async #reply(id: number, about: Question): Promise<void> {
    try {
      const text = await this.#answer(about);
      this.send({ is: 'answer', id, text });
    } catch (error) {
      this.#onNoAnswer(error);
      this.send({ is: 'answer', id });
    }
  }
}
