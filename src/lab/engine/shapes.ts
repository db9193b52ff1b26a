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

function chat(request: EngineRequest, options: Resolved, created: number): Shapes {
  const { id, model } = request;
  const ids = request.returnTokenIds;
  const system_fingerprint = fingerprint(options);
  const prompt_token_ids = ids ? (request.prompts[0]?.tokens ?? null) : null;
  const base = { id, object: 'chat.completion.chunk', created, model };
  const delta = (index: number, content: string, tokenId: number | undefined) => ({
    index,
    delta: { content },
    logprobs: null,
    finish_reason: null,
    token_ids: ids && tokenId !== undefined ? [tokenId] : null,
  });
  return {
    plain: (ends) =>
      JSON.stringify({
        id,
        object: 'chat.completion',
        created,
        model,
        choices: ends.map((end, index) => ({
          index,
          message: {
            role: 'assistant',
            content: end.text,
            refusal: null,
            annotations: null,
            audio: null,
            function_call: null,
            reasoning: null,
          },
          logprobs: null,
          finish_reason: end.finish,
          stop_reason: end.stopReason,
          token_ids: ids ? end.tokenIds : null,
          routed_experts: null,
        })),
        service_tier: null,
        system_fingerprint,
        usage: usageOf(request, ends, options),
        prompt_logprobs: null,
        prompt_token_ids,
        prompt_text: null,
        ...tailOf(ends),
      }),
    opening: (index) =>
      JSON.stringify({
        ...base,
        choices: [{ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
        ...runningUsage(request, 0),
        prompt_token_ids,
        prompt_text: null,
      }),
    chunk: (index, text, tokenId, generated) =>
      JSON.stringify({ ...base, choices: [delta(index, text, tokenId)], ...runningUsage(request, generated) }),
    last: (index, text, tokenId, end, generated) => {
      const { token_ids, ...rest } = delta(index, text, tokenId);
      const choice = { ...rest, finish_reason: end.finish, stop_reason: end.stopReason, token_ids };
      const tail = request.includeUsage ? {} : { system_fingerprint };
      return JSON.stringify({ ...base, choices: [choice], ...runningUsage(request, generated), ...tail });
    },
    usage: (generated) => closingUsage(request, base, generated, system_fingerprint),
  };
}

function completion(request: EngineRequest, options: Resolved, created: number): Shapes {
  const { id, model } = request;
  const ids = request.returnTokenIds;
  const system_fingerprint = fingerprint(options);
  const base = { id, object: 'text_completion', created, model };
  const promptOf = (index: number) => request.prompts[Math.floor(index / request.n)];
  const piece = (index: number, text: string, tokenId: number | undefined, end: Final | undefined) => ({
    index,
    text,
    logprobs: null,
    finish_reason: end?.finish ?? null,
    stop_reason: end?.stopReason ?? null,
    prompt_token_ids: null,
    token_ids: ids && tokenId !== undefined ? [tokenId] : null,
  });
  return {
    plain: (ends) =>
      JSON.stringify({
        ...base,
        choices: ends.map((end, index) => ({
          index,
          text: request.echo ? `${promptOf(index)?.text ?? ''}${end.text}` : end.text,
          logprobs: null,
          finish_reason: end.finish,
          stop_reason: end.stopReason,
          token_ids: ids ? end.tokenIds : null,
          prompt_logprobs: null,
          prompt_token_ids: ids ? (promptOf(index)?.tokens ?? null) : null,
          routed_experts: null,
        })),
        service_tier: null,
        system_fingerprint,
        usage: usageOf(request, ends, options),
        ...tailOf(ends),
      }),
    opening: () => undefined,
    chunk: (index, text, tokenId, generated) =>
      JSON.stringify({
        ...base,
        choices: [piece(index, text, tokenId, undefined)],
        ...runningUsage(request, generated),
      }),
    last: (index, text, tokenId, end, generated) => {
      const tail = request.includeUsage ? {} : { system_fingerprint };
      const choices = [piece(index, text, tokenId, end)];
      return JSON.stringify({ ...base, choices, ...runningUsage(request, generated), ...tail });
    },
    usage: (generated) => closingUsage(request, base, generated, system_fingerprint),
  };
}
