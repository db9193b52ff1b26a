import type { SequenceEnd } from './core.js';
import type { Resolved } from './options.js';
import type { EngineRequest } from './request.js';

type Final = Pick<SequenceEnd, 'finish' | 'stopReason'>;

/** JSON texts of answers with the recorded keys in the recorded order. */
export interface Shapes {
  /** The whole answer; `ends` holds all choices of all prompts in index order. */
  plain(ends: readonly SequenceEnd[]): string;
  /** The chunk before the first token, for chat only: it holds only the role. */
  opening(index: number): string | undefined;
  chunk(index: number, text: string, tokenId: number | undefined, generated: number): string;
  last(index: number, text: string, tokenId: number | undefined, end: Final, generated: number): string;
  /** The usage chunk, when it was asked for. */
  usage(generated: number): string | undefined;
}

export function shapesOf(request: EngineRequest, options: Resolved, created: number): Shapes {
  return request.kind === 'chat' ? chat(request, options, created) : completion(request, options, created);
}

const fingerprint = ({ version, engineId }: Resolved): string => `vllm-${version}-${engineId.slice(0, 8)}`;

function usageOf(request: EngineRequest, ends: readonly SequenceEnd[], options: Resolved) {
  const promptTokens = request.prompts.reduce((sum, prompt) => sum + prompt.tokens.length, 0);
  const generated = ends.reduce((sum, end) => sum + end.tokenIds.length, 0);
  const cached = ends.reduce((sum, end) => sum + end.cachedTokens, 0);
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + generated,
    completion_tokens: generated,
    prompt_tokens_details: options.enablePromptTokensDetails
      ? { cached_tokens: cached, created_cache_tokens: 0, multimodal_tokens: null }
      : null,
    completion_tokens_details: null,
  };
}

function tailOf(ends: readonly SequenceEnd[]) {
  const handover = ends.find((end) => end.handover !== undefined)?.handover ?? null;
  return { kv_transfer_params: handover, ec_transfer_params: null, metrics: null };
}

const promptTokensOf = (request: EngineRequest): number =>
  request.prompts.reduce((sum, prompt) => sum + prompt.tokens.length, 0);

function runningUsage(request: EngineRequest, generated: number) {
  const prompt_tokens = promptTokensOf(request);
  const usage = { prompt_tokens, total_tokens: prompt_tokens + generated, completion_tokens: generated };
  return request.continuousUsage ? { usage: { ...usage, completion_tokens_details: null } } : {};
}

function closingUsage(request: EngineRequest, base: object, generated: number, system_fingerprint: string) {
  if (!request.includeUsage) return undefined;
  const prompt_tokens = promptTokensOf(request);
  const usage = { prompt_tokens, total_tokens: prompt_tokens + generated, completion_tokens: generated };
  return JSON.stringify({ ...base, choices: [], usage, system_fingerprint });
}

interface Frame {
  readonly request: EngineRequest;
  readonly options: Resolved;
  readonly created: number;
  /** Members that every chunk starts with. */
  readonly base: object;
  readonly system_fingerprint: string;
}

function frameOf(request: EngineRequest, options: Resolved, created: number, object: string): Frame {
  const base = { id: request.id, object, created, model: request.model };
  return { request, options, created, base, system_fingerprint: fingerprint(options) };
}

/** Members after the choices of a chunk that ends a choice. */
const lastTail = ({ request, system_fingerprint }: Frame) => (request.includeUsage ? {} : { system_fingerprint });

const idsOf = ({ request }: Frame, tokenId: number | undefined) =>
  request.returnTokenIds && tokenId !== undefined ? [tokenId] : null;

function chat(request: EngineRequest, options: Resolved, created: number): Shapes {
  const frame = frameOf(request, options, created, 'chat.completion.chunk');
  const { base, system_fingerprint } = frame;
  const prompt_token_ids = request.returnTokenIds ? (request.prompts[0]?.tokens ?? null) : null;
  return {
    plain: (ends) => plainChat(frame, ends, prompt_token_ids),
    opening: (index) => {
      const delta = { role: 'assistant', content: '' };
      const choices = [{ index, delta, logprobs: null, finish_reason: null }];
      return JSON.stringify({ ...base, choices, ...runningUsage(request, 0), prompt_token_ids, prompt_text: null });
    },
    chunk: (index, content, tokenId, generated) => {
      const token_ids = idsOf(frame, tokenId);
      const choices = [{ index, delta: { content }, logprobs: null, finish_reason: null, token_ids }];
      return JSON.stringify({ ...base, choices, ...runningUsage(request, generated) });
    },
    last: (index, content, tokenId, { finish, stopReason }, generated) => {
      const end = { finish_reason: finish, stop_reason: stopReason, token_ids: idsOf(frame, tokenId) };
      const choices = [{ index, delta: { content }, logprobs: null, ...end }];
      return JSON.stringify({ ...base, choices, ...runningUsage(request, generated), ...lastTail(frame) });
    },
    usage: (generated) => closingUsage(request, base, generated, system_fingerprint),
  };
}

const emptyMessage = { refusal: null, annotations: null, audio: null, function_call: null, reasoning: null };

function plainChat(
  { request, options, base, system_fingerprint }: Frame,
  ends: readonly SequenceEnd[],
  prompt_token_ids: readonly number[] | null,
): string {
  return JSON.stringify({
    ...base,
    object: 'chat.completion',
    choices: ends.map((end, index) => ({
      index,
      message: { role: 'assistant', content: end.text, ...emptyMessage },
      logprobs: null,
      finish_reason: end.finish,
      stop_reason: end.stopReason,
      token_ids: request.returnTokenIds ? end.tokenIds : null,
      routed_experts: null,
    })),
    service_tier: null,
    system_fingerprint,
    usage: usageOf(request, ends, options),
    prompt_logprobs: null,
    prompt_token_ids,
    prompt_text: null,
    ...tailOf(ends),
  });
}

function completion(request: EngineRequest, options: Resolved, created: number): Shapes {
  const frame = frameOf(request, options, created, 'text_completion');
  const { base, system_fingerprint } = frame;
  const piece = (index: number, text: string, tokenId: number | undefined, end: Final | undefined) => ({
    index,
    text,
    logprobs: null,
    finish_reason: end?.finish ?? null,
    stop_reason: end?.stopReason ?? null,
    prompt_token_ids: null,
    token_ids: idsOf(frame, tokenId),
  });
  return {
    plain: (ends) => plainCompletion(frame, ends),
    opening: () => undefined,
    chunk: (index, text, tokenId, generated) => {
      const choices = [piece(index, text, tokenId, undefined)];
      return JSON.stringify({ ...base, choices, ...runningUsage(request, generated) });
    },
    last: (index, text, tokenId, end, generated) => {
      const choices = [piece(index, text, tokenId, end)];
      return JSON.stringify({ ...base, choices, ...runningUsage(request, generated), ...lastTail(frame) });
    },
    usage: (generated) => closingUsage(request, base, generated, system_fingerprint),
  };
}

function plainCompletion({ request, options, base, system_fingerprint }: Frame, ends: readonly SequenceEnd[]): string {
  const promptOf = (index: number) => request.prompts[Math.floor(index / request.n)];
  return JSON.stringify({
    ...base,
    choices: ends.map((end, index) => ({
      index,
      text: request.echo ? `${promptOf(index)?.text ?? ''}${end.text}` : end.text,
      logprobs: null,
      finish_reason: end.finish,
      stop_reason: end.stopReason,
      token_ids: request.returnTokenIds ? end.tokenIds : null,
      prompt_logprobs: null,
      prompt_token_ids: request.returnTokenIds ? (promptOf(index)?.tokens ?? null) : null,
      routed_experts: null,
    })),
    service_tier: null,
    system_fingerprint,
    usage: usageOf(request, ends, options),
    ...tailOf(ends),
  });
}
