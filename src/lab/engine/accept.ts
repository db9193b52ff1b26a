import { isObject } from '../../base/json.js';
import { badParameter, badRequest, pythonFloat, schemaErrors, unknownModel } from './answers.js';
import type { Resolved } from './options.js';
import type { EngineRequest, Prompt } from './request.js';
import type { Body } from './schema.js';
import { tokenize, tokenizeChat } from './tokens.js';

/** Checks a typed body the way vLLM does once it knows the fields, in its order; throws a `Refusal`. */
export function acceptRequest(
  body: Body,
  kind: EngineRequest['kind'],
  requestId: string,
  options: Resolved,
): EngineRequest {
  const model = text(body['model']) ?? options.models[0] ?? '';
  if (!options.models.includes(model)) throw unknownModel(model, options.models);
  if (kind === 'chat') checkTools(body);
  if (body['suffix'] != null) {
    throw badRequest('suffix is only supported for models with FIM completion rendering', 'suffix');
  }
  const prompts = kind === 'chat' ? [chatPrompt(body, options)] : completionPrompts(body['prompt'], options);
  const longest = prompts.reduce((most, { tokens }) => Math.max(most, tokens.length), 0);
  checkLength(longest, options.maxModelLen);
  return {
    kind,
    id: `${kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${requestId}`,
    model,
    prompts,
    ...readLimits(body, kind, options.maxModelLen - longest, options.maxModelLen),
    ...readOutput(body),
    params: isObject(body['kv_transfer_params']) ? body['kv_transfer_params'] : undefined,
  };
}

function readOutput(body: Body) {
  const streamOptions = isObject(body['stream_options']) ? body['stream_options'] : {};
  return {
    ignoreEos: body['ignore_eos'] === true,
    stop: stopsOf(body['stop']),
    stream: body['stream'] === true,
    includeUsage: streamOptions['include_usage'] === true,
    continuousUsage: streamOptions['continuous_usage_stats'] === true,
    echo: body['echo'] === true,
    returnTokenIds: body['return_token_ids'] === true,
  };
}

function checkTools(body: Body): void {
  const tools = body['tools'];
  const choice = body['tool_choice'];
  if (!Array.isArray(tools) || tools.length === 0 || choice === 'none') return;
  if (choice === 'required') throw badRequest('tool_choice="required" requires --tool-call-parser to be set');
  const called = isObject(choice) && isObject(choice['function']) ? choice['function']['name'] : undefined;
  if (called !== undefined) {
    throw badRequest(`tool_choice=function "${String(called)}" requires --tool-call-parser to be set`);
  }
  throw badRequest('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set');
}

function chatPrompt(body: Body, options: Resolved): Prompt {
  const messages = body['messages'] as readonly unknown[];
  if (messages.length === 0) {
    throw badRequest('Cannot apply chat template to an empty conversation. Provide at least one message.');
  }
  const rendered = messages.map((message, index) => {
    if (isObject(message))
      return { role: text(message['role']) ?? '', content: contentText(message['content'], options) };
    const msg = 'Input should be a valid dictionary';
    throw schemaErrors([{ type: 'dict_type', loc: `body.messages.${index}`, msg, input: message }]);
  });
  const tools = body['tools'] === undefined ? '' : JSON.stringify(body['tools']);
  const tokens = tokenizeChat(rendered, tools, options.vocabulary, options.maxModelLen);
  return { tokens, text: rendered.map((m) => m.content).join('\n') };
}

function contentText(content: unknown, options: Resolved): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part) => {
      if (typeof part === 'string') return part;
      if (isObject(part) && typeof part['text'] === 'string') return part['text'];
      throw badRequest(`${options.models[0] ?? ''} is not a multimodal model`);
    })
    .join('\n');
}

function completionPrompts(prompt: unknown, options: Resolved): readonly Prompt[] {
  if (typeof prompt === 'string') return [textPrompt(prompt, options)];
  if (!Array.isArray(prompt)) {
    const msg = 'Input should be a valid string';
    throw schemaErrors([{ type: 'string_type', loc: 'body.prompt', msg, input: prompt }]);
  }
  const items: readonly unknown[] = prompt;
  if (items.length === 0) throw badRequest('You must pass at least one prompt');
  if (items.every((item) => typeof item === 'string')) {
    return items.map((item) => textPrompt(item, options));
  }
  const lists = items.every((item) => Array.isArray(item)) ? (items as readonly unknown[][]) : [items];
  return lists.map((ids) => ({ tokens: ids.map((id, i) => tokenId(id, i, items, options.vocabulary)), text: '' }));
}

/** A prompt that is too long is cut where that shows: nobody needs the rest of what is refused. */
const textPrompt = (text: string, { vocabulary, maxModelLen }: Resolved): Prompt => ({
  tokens: tokenize(text, vocabulary, maxModelLen),
  text,
});

function tokenId(id: unknown, index: number, list: readonly unknown[], vocabulary: number): number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0) {
    if (id >= vocabulary) throw badRequest(`Token id ${id} is out of vocabulary`);
    return id;
  }
  const loc = `body.prompt.${index}`;
  const ge = 'Input should be greater than or equal to 0';
  throw schemaErrors([
    { type: 'greater_than_equal', loc, msg: ge, input: id, ctx: "{'ge': 0}" },
    { type: 'list_type', loc, msg: 'Input should be a valid list', input: id },
    { type: 'string_type', loc: 'body.prompt', msg: 'Input should be a valid string', input: list },
    { type: 'string_type', loc, msg: 'Input should be a valid string', input: id },
  ]);
}

function checkLength(longest: number, limit: number): void {
  if (longest < limit) return;
  const over = limit + 1;
  throw badParameter(
    `This model's maximum context length is ${limit} tokens. However, your prompt contains at least ${over} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.`,
    'input_tokens',
    String(over),
  );
}

/** `room`: what the model's length leaves for the answer. A `max_completion_tokens` beats `max_tokens`. */
function readLimits(body: Body, kind: EngineRequest['kind'], room: number, modelLength: number) {
  const asked = integer(body['max_completion_tokens']) ?? integer(body['max_tokens']);
  if (asked !== undefined && asked > modelLength) {
    const message = `max_tokens=${asked} cannot be greater than max_model_len=${modelLength}. Please request fewer output tokens.`;
    throw badParameter(message, 'max_tokens', String(asked));
  }
  const maxTokens = Math.min(asked ?? (kind === 'chat' ? room : 16), room);
  const { temperature, n } = checkSampling(body);
  if (maxTokens < 1) {
    throw badParameter(`max_tokens must be at least 1, got ${maxTokens}.`, 'max_tokens', String(maxTokens));
  }
  const minTokens = readMinTokens(body, maxTokens);
  if (temperature === 0 && n > 1) throw badRequest(`n must be 1 when using greedy sampling, got ${n}.`);
  return { temperature, n, minTokens, maxTokens };
}

function readMinTokens(body: Body, maxTokens: number): number {
  const minTokens = integer(body['min_tokens']) ?? 0;
  if (minTokens < 0) throw badRequest(`min_tokens must be greater than or equal to 0, got ${minTokens}.`);
  if (minTokens > maxTokens) {
    throw badRequest(`min_tokens must be less than or equal to max_tokens=${maxTokens}, got ${minTokens}.`);
  }
  return minTokens;
}

function checkSampling(body: Body) {
  const temperature = number(body['temperature']) ?? 1;
  const n = integer(body['n']) ?? 1;
  if (n < 1) throw badParameter(`n must be at least 1, got ${n}.`, 'n', String(n));
  if (temperature < 0) {
    const shown = pythonFloat(temperature);
    throw badParameter(`temperature must be non-negative, got ${shown}.`, 'temperature', shown);
  }
  checkTopP(number(body['top_p']) ?? 1);
  return { temperature, n };
}

function checkTopP(topP: number): void {
  if (topP > 0 && topP <= 1) return;
  const shown = pythonFloat(topP);
  throw badParameter(`top_p must be in (0, 1], got ${shown}.`, 'top_p', shown);
}

function stopsOf(stop: unknown): readonly string[] {
  if (typeof stop === 'string') return [stop];
  return Array.isArray(stop) ? stop.filter((item): item is string => typeof item === 'string') : [];
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const integer = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const number = integer;
