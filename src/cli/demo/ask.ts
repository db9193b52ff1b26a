import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { isObject } from '../../base/json.js';

const question = 'Where is the capital of China?';
const patience = 20;

/** Sends the documents' own request and tells status, answer, and which pair gave it in what time. */
export async function ask(router: string, model: string, signal: AbortSignal): Promise<string> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: question }], stream: false });
  for (let attempt = 1; ; attempt++) {
    const began = performance.now();
    const response = await fetch(`${router}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal,
    });
    const text = await response.text();
    // The router learns of a pod's readiness a moment after the ModelServing does; 503 with Retry-After says just that.
    if (response.status === 503 && attempt < patience) {
      await delay(100, undefined, { signal });
      continue;
    }
    return describe(response, text, Math.round(performance.now() - began));
  }
}

function describe(response: Response, text: string, took: number): string {
  const head = `${response.status} in ${took} ms`;
  if (response.status !== 200) return `${head}  ${text}`;
  const [prefill = '?', decode = '?'] = (response.headers.get('x-tandem-pair') ?? '').split(',');
  const times = timesOf(response.headers.get('server-timing') ?? '');
  const { answer, prompt, completion } = contentOf(text);
  const pair = `prefill ${times['prefill'] ?? '?'} ms (${prefill}) → KV ${prompt} tokens → decode ${times['decode'] ?? '?'} ms (${decode})`;
  return `${head}  ${pair}\n${''.padEnd(18)} ${completion} tokens: ${JSON.stringify(answer)}`;
}

/** `prefill;dur=96.2, decode;dur=305` as whole milliseconds by name. */
function timesOf(header: string): Record<string, number> {
  return Object.fromEntries(
    [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map((match) => [match[1] ?? '', Math.round(Number(match[2]))]),
  );
}

function contentOf(text: string): { answer: string; prompt: number; completion: number } {
  const body: unknown = JSON.parse(text);
  const { choices, usage } = (isObject(body) ? body : {}) as {
    choices?: { message?: { content?: string } }[];
    usage?: { prompt_tokens?: number; completion_tokens?: number };
  };
  return {
    answer: choices?.[0]?.message?.content ?? '',
    prompt: usage?.prompt_tokens ?? 0,
    completion: usage?.completion_tokens ?? 0,
  };
}
