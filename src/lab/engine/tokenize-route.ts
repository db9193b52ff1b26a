import { isObject } from '../../base/json.js';
import { type HttpAnswer, Refusal, schemaErrors, unknownModel } from './answers.js';
import type { Resolved } from './options.js';
import { piecesOf, tokenize, tokenizeChat } from './tokens.js';

/** `/tokenize`: counts that agree with the `usage` of the same prompt. */
export function answerTokenize(text: string, options: Resolved): HttpAnswer {
  try {
    const body: unknown = JSON.parse(text);
    if (!isObject(body)) throw missing('body.prompt', body);
    const model = body['model'];
    if (typeof model === 'string' && !options.models.includes(model)) throw unknownModel(model, options.models);
    const { tokens, pieces } = read(body, options);
    const token_strs = body['return_token_strs'] === true ? pieces : null;
    const answer = { count: tokens.length, max_model_len: options.maxModelLen, tokens, token_strs };
    return { status: 200, body: JSON.stringify(answer) };
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    if (error instanceof SyntaxError) return missing('body', null).answer;
    throw error;
  }
}

function read(body: Record<string, unknown>, options: Resolved): { tokens: number[]; pieces: string[] } {
  const { prompt, messages } = body;
  if (typeof prompt === 'string') return { tokens: tokenize(prompt, options.vocabulary), pieces: piecesOf(prompt) };
  if (!Array.isArray(messages)) throw missing('body.prompt', body);
  const rendered = messages.filter(isObject).map((message) => ({
    role: String(message['role'] ?? ''),
    content: typeof message['content'] === 'string' ? message['content'] : '',
  }));
  const tokens = tokenizeChat(rendered, '', options.vocabulary);
  return { tokens, pieces: tokens.map((id) => `<${id}>`) };
}

const missing = (loc: string, input: unknown) => schemaErrors([{ type: 'missing', loc, msg: 'Field required', input }]);
