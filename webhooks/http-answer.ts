import { STATUS_CODES } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  /** With a character for each byte: so head and body leave in one piece, without being counted and converted. */
  readonly text: string;
  /** The connection ends with this answer: what it sends further would not be understood. */
  readonly ends: boolean;
  /** Seconds after which the same may be asked again. */
  readonly retryAfter?: number;
}

/** The answer as it goes over the wire (HTTP/1.1). */
export function spelled({ status, type, text, retryAfter }: HttpAnswer, ends: boolean): string {
  const retry = retryAfter === undefined ? '' : `retry-after: ${retryAfter}\r\n`;
  const connection = ends ? 'connection: close\r\n' : '';
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: ${type}\r\ndate: ${date()}\r\n`;
  return `${head}${retry}${connection}content-length: ${text.length}\r\n\r\n${text}`;
}

let second = 0;
let spelledSecond = '';

/** RFC 9110 section 6.6.1; the calendar is asked once per second. */
function date(): string {
  const at = Math.floor(Date.now() / 1000);
  if (at !== second) {
    second = at;
    spelledSecond = new Date(at * 1000).toUTCString();
  }
  return spelledSecond;
}
