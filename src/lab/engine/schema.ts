import { isObject } from '../../base/json.js';
import { badParameter, badRequest, type SchemaError, schemaErrors } from './answers.js';
import { findJsonError } from './json-error.js';

export type Body = Readonly<Record<string, unknown>>;

type Kind = 'integer' | 'number' | 'boolean' | 'string' | 'dictionary' | 'list';

const shared: Readonly<Record<string, Kind>> = {
  model: 'string',
  max_tokens: 'integer',
  min_tokens: 'integer',
  n: 'integer',
  seed: 'integer',
  temperature: 'number',
  top_p: 'number',
  stream: 'boolean',
  ignore_eos: 'boolean',
  return_token_ids: 'boolean',
  stream_options: 'dictionary',
  kv_transfer_params: 'dictionary',
  request_id: 'string',
};
const fields = {
  chat: { ...shared, max_completion_tokens: 'integer', messages: 'list', tools: 'list', top_logprobs: 'integer' },
  completion: { ...shared, echo: 'boolean', suffix: 'string', best_of: 'integer' },
} as const satisfies Record<string, Readonly<Record<string, Kind>>>;

/** JSON text to an object whose known fields have their types, with the coercions pydantic makes; throws a `Refusal`. */
export function readBody(text: string, kind: 'chat' | 'completion'): Body {
  const body = parse(text);
  rulesBeforeTypes(body, kind);
  const errors: SchemaError[] = [];
  const typed: Record<string, unknown> = { ...body };
  for (const [name, type] of Object.entries<Kind>(fields[kind])) {
    const value = body[name];
    if (value === undefined || value === null) continue;
    const read = coerce(value, type);
    if ('error' in read) errors.push({ ...read.error, loc: `body.${name}`, input: value });
    else typed[name] = read.value;
  }
  if (kind === 'chat' && body['messages'] === undefined) {
    errors.unshift({ type: 'missing', loc: 'body.messages', msg: 'Field required', input: body });
  }
  if (errors.length > 0) throw schemaErrors(errors);
  return typed;
}

function parse(text: string): Body {
  if (text === '') throw schemaErrors([{ type: 'missing', loc: 'body', msg: 'Field required', input: null }]);
  const value = parseJson(text);
  if (isObject(value)) return value;
  if (value === null) throw schemaErrors([{ type: 'missing', loc: 'body', msg: 'Field required', input: null }]);
  const msg = 'Input should be a valid dictionary or object to extract fields from';
  throw schemaErrors([{ type: 'model_attributes_type', loc: 'body', msg, input: value }]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The text is the client's: what is wrong with it is found again below, in the words of the real server.
    const { at, message } = findJsonError(text);
    const ctx = `{'error': '${message.replaceAll("'", "\\'")}'}`;
    throw schemaErrors([{ type: 'json_invalid', loc: `body.${at}`, msg: 'JSON decode error', input: {}, ctx }]);
  }
}

/** What vLLM checks on the raw body, before any type: a request refused here never existed for the engine. */
function rulesBeforeTypes(body: Body, kind: 'chat' | 'completion'): void {
  const streams = body['stream'] === true;
  if (body['stream_options'] != null && !streams) {
    const message = 'Stream options can only be defined when `stream=True`. (parameter=stream_options)';
    throw badRequest(message, 'stream_options', 'schema');
  }
  if (streams && body['prompt_logprobs'] != null) {
    const message = '`prompt_logprobs` are not available when `stream=True`. (parameter=prompt_logprobs)';
    throw badRequest(message, 'prompt_logprobs', 'schema');
  }
  if (kind === 'completion') requirePrompt(body);
  else limitLogprobs(body['top_logprobs']);
}

function requirePrompt(body: Body): void {
  if (body['prompt'] !== undefined && body['prompt'] !== null && body['prompt'] !== '') return;
  const message = 'Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)';
  throw badRequest(message, 'prompt', 'schema');
}

function limitLogprobs(logprobs: unknown): void {
  if (typeof logprobs !== 'number' || logprobs <= 20) return;
  const message = `Requested sample logprobs of ${logprobs}, which is greater than max allowed: 20`;
  throw badParameter(message, 'logprobs', String(logprobs), 'schema');
}

type Read = { readonly value: unknown } | { readonly error: { readonly type: string; readonly msg: string } };
const ok = (value: unknown): Read => ({ value });
const no = (type: string, msg: string): Read => ({ error: { type, msg: `Input should be ${msg}` } });

function coerce(value: unknown, kind: Kind): Read {
  switch (kind) {
    case 'integer':
      return integer(value);
    case 'number':
      return number(value);
    case 'boolean':
      return boolean(value);
    case 'string':
      return typeof value === 'string' ? ok(value) : no('string_type', 'a valid string');
    case 'dictionary':
      return isObject(value) ? ok(value) : no('dict_type', 'a valid dictionary');
    case 'list':
      return Array.isArray(value) ? ok(value) : no('list_type', 'a valid list');
  }
}

function integer(value: unknown): Read {
  if (typeof value === 'boolean') return ok(value ? 1 : 0);
  if (typeof value === 'string') {
    const text = value.trim();
    if (/^[+-]?\d+(\.0+)?$/.test(text)) return ok(Number(text));
    return no('int_parsing', 'a valid integer, unable to parse string as an integer');
  }
  if (typeof value !== 'number') return no('int_type', 'a valid integer');
  if (Number.isInteger(value)) return ok(value);
  return no('int_from_float', 'a valid integer, got a number with a fractional part');
}

function number(value: unknown): Read {
  if (typeof value === 'number') return ok(value);
  if (typeof value === 'boolean') return ok(value ? 1 : 0);
  if (typeof value !== 'string') return no('float_type', 'a valid number');
  const parsed = Number(value);
  if (value.trim() !== '' && Number.isFinite(parsed)) return ok(parsed);
  return no('float_parsing', 'a valid number, unable to parse string as a number');
}

const truths: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  yes: true,
  on: true,
  false: false,
  '0': false,
  no: false,
  off: false,
};

function boolean(value: unknown): Read {
  if (typeof value === 'boolean') return ok(value);
  const known =
    typeof value === 'string' || typeof value === 'number' ? truths[String(value).toLowerCase()] : undefined;
  if (known !== undefined) return ok(known);
  return typeof value === 'object'
    ? no('bool_type', 'a valid boolean')
    : no('bool_parsing', 'a valid boolean, unable to interpret input');
}
