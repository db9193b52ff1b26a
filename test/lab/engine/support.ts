/** Engines that end with their test, a pair of them, and what is asked of them. */
import type { Test } from 'tap';
import type { EngineOptions } from '../../../src/lab/engine/options.js';
import { type Engine, startEngine } from '../../../src/lab/engine/start.js';
import { type Pair, type PairOptions, startPair } from '../../../src/lab/pairs.js';

export const never = new AbortController().signal;
export const prompt = (text: string) => [{ role: 'user', content: `${text} ${'the quick brown fox '.repeat(20)}` }];

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: {
    readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[];
    readonly usage: Readonly<Record<string, number>>;
    readonly kv_transfer_params: Record<string, unknown>;
  };
}

export async function ask(
  engine: Engine,
  body: object,
  init: { signal?: AbortSignal; id?: string } = {},
): Promise<Answer> {
  const response = await fetch(`${engine.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(init.id && { 'x-request-id': init.id }) },
    body: JSON.stringify({ temperature: 0, ...body }),
    ...(init.signal && { signal: init.signal }),
  });
  const text = await response.text();
  return {
    status: response.status,
    text,
    json: text.startsWith('{') ? (JSON.parse(text) as Answer['json']) : ({} as never),
  };
}

/** Resolves when the condition holds, looked at once per turn of the event loop. */
export async function once(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

export const said = (answer: Answer): string => answer.json.choices[0]?.message.content ?? '';

/** Leg 1 of a request: one token, and the hand-over of its KV. */
export async function prefill(pair: Pair, messages: object, id = 'r'): Promise<Record<string, unknown>> {
  const kv_transfer_params = { do_remote_decode: true, do_remote_prefill: false };
  const answer = await ask(pair.prefill, { messages, max_tokens: 1, kv_transfer_params }, { id });
  return answer.json.kv_transfer_params;
}

export async function pairFor(t: Test, options: PairOptions = {}): Promise<Pair> {
  const pair = await startPair(
    { ...options, both: { timing: { handshakeTimeoutMs: 10, tokenMs: 1 }, ...options.both } },
    never,
  );
  t.teardown(() => pair.stop());
  return pair;
}

export async function engineFor(t: Test, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await startEngine({ host: '127.0.1.1', port: 0, models: ['tiny'], ...options }, never);
  t.teardown(() => engine.stop());
  return engine;
}
