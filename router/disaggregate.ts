import type { SplicedBody } from './spliced-body.js';

const pdPaths = new Set(['/v1/chat/completions', '/v1/completions']);

/**
 * Why this request is sent whole to one pod, although its ModelServer has prefill and decode; undefined when it is split.
 * Besides what pull connectors cannot do, it holds back what only decode would refuse: the prefill leg does not carry the
 * client's own limits, so a bad one would be found when KV is already held (pd-protocols A.0.1, A.0.6).
 */
export function whyNotDisaggregated(path: string, body: SplicedBody): string | undefined {
  if (!pdPaths.has(path)) return 'path';
  return severalAnswers(body) ?? needsThePrompt(body) ?? badLimits(body);
}

const severalKeys = ['n', 'best_of'] as const;

function severalAnswers(body: SplicedBody): string | undefined {
  for (const key of severalKeys) {
    const text = textOf(body, key);
    if (text !== undefined && text !== 'null' && text !== '1') return key;
  }
  if (textOf(body, 'use_beam_search') === 'true') return 'use_beam_search';
  const prompt = body.text('prompt');
  return prompt?.[0] === 0x5b && !isTokenIds(prompt) ? 'prompt' : undefined;
}

/** One list of token ids is one prompt; a list of texts or of lists is several. */
function isTokenIds(prompt: Buffer): boolean {
  return /^\[\s*\d/.test(prompt.toString('latin1', 0, 32));
}

function needsThePrompt(body: SplicedBody): string | undefined {
  if (isSet(textOf(body, 'echo'))) return 'echo';
  return isSet(textOf(body, 'prompt_logprobs')) ? 'prompt_logprobs' : undefined;
}

function badLimits(body: SplicedBody): string | undefined {
  const max = whole(textOf(body, 'max_tokens'));
  const maxCompletion = whole(textOf(body, 'max_completion_tokens'));
  const min = whole(textOf(body, 'min_tokens'));
  if (max === 'bad' || max === 0) return 'max_tokens';
  if (maxCompletion === 'bad' || maxCompletion === 0) return 'max_completion_tokens';
  if (min === 'bad' || (min ?? 0) > (maxCompletion ?? max ?? Number.POSITIVE_INFINITY)) return 'min_tokens';
  return badStream(body);
}

function badStream(body: SplicedBody): string | undefined {
  const stream = textOf(body, 'stream');
  if (stream !== undefined && stream !== 'true' && stream !== 'false' && stream !== 'null') return 'stream';
  return isSet(textOf(body, 'stream_options')) && stream !== 'true' ? 'stream_options' : undefined;
}

function whole(text: string | undefined): number | 'bad' | undefined {
  if (text === undefined || text === 'null') return undefined;
  return /^\d{1,9}$/.test(text) ? Number(text) : 'bad';
}

const isSet = (text: string | undefined): boolean => text !== undefined && text !== 'null' && text !== 'false';

/** A long text is cut, which none of the values asked for survives as. */
const textOf = (body: SplicedBody, key: string): string | undefined => body.brief(key);
