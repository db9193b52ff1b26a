import { STATUS_CODES } from 'node:http';
import type { TandemError } from '../../src/base/errors.js';
import { openaiError } from '../openai-error.js';

const statusLines = new Map<number, string>();

/** `HTTP/1.1 200 OK` with its line end. */
export function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    if (statusLines.size < 100) statusLines.set(status, line);
  }
  return line;
}

let second = -1;
let line = '';

/** The Date line of this second. */
export function dateLine(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) {
    second = now;
    line = `date: ${new Date(now * 1000).toUTCString()}\r\n`;
  }
  return line;
}

/** A whole error answer after which the connection ends, its bytes one character each. */
export function lastAnswer(error: TandemError): string {
  const { headers, body } = errorAnswer(error);
  const about = `${dateLine()}connection: close\r\ncontent-length: ${body.length}\r\n`;
  return `${statusLine(error.status)}${headers}${about}\r\n${body.toString('latin1')}`;
}

/** Header lines and body of an error answer; seconds to wait go with what may succeed later. */
export function errorAnswer(error: TandemError): { readonly headers: string; readonly body: Buffer } {
  const mayRetry = error.retryable && (error.status === 503 || error.status === 429);
  return {
    headers: `content-type: application/json\r\n${mayRetry ? 'retry-after: 1\r\n' : ''}`,
    body: Buffer.from(openaiError(error)),
  };
}
