import { TandemError } from '../src/base/errors.js';
import { routerErrors } from './router-errors.js';

const types: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
  431: 'invalid_request_error',
  501: 'not_implemented_error',
  503: 'service_unavailable_error',
};

/** What was thrown, as one of ours: anything else is a bug and tells a client nothing. */
export function asTandemError(error: unknown): TandemError {
  return error instanceof TandemError ? error : routerErrors('internal', {}, error);
}

/** The error object that OpenAI clients read: `{"error":{message,type,param,code}}`. */
export function openaiError({ status, code, message }: Pick<TandemError, 'status' | 'code' | 'message'>): string {
  const type = types[status] ?? 'server_error';
  return JSON.stringify({ error: { message, type, param: paramOf(code), code } });
}

function paramOf(code: string): string | null {
  return code === 'unknown-model' || code === 'no-model' ? 'model' : null;
}
