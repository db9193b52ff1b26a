import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpAnswer } from './answers.js';
import type { Fault } from './faults.js';

/** One HTTP request and its answer, in uvicorn's manners. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly requestId: string;
  /** The client's own `X-Request-Id`, which becomes part of the answer's id. */
  readonly givenId: string | undefined;
  readonly #response: ServerResponse;
  readonly fault: Fault | undefined;
  #chunks = 0;

  constructor(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined) {
    const given = request.headers['x-request-id'];
    this.request = request;
    this.givenId = typeof given === 'string' && given !== '' ? given : undefined;
    this.requestId = this.givenId ?? randomBytes(16).toString('hex');
    this.#response = response;
    this.fault = fault;
  }

  get hasStarted(): boolean {
    return this.#response.headersSent;
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  send(answer: HttpAnswer, type = 'application/json'): void {
    const body = Buffer.from(answer.body);
    const typed = body.length > 0 || answer.status !== 200 ? { 'content-type': type } : {};
    this.#head(answer.status, { ...answer.headers, 'content-length': String(body.length), ...typed });
    if (this.fault?.kind !== 'truncate') {
      this.#response.end(body);
      return;
    }
    this.#response.write(body.subarray(0, body.length / 2), () => this.reset());
  }

  openStream(): void {
    this.#head(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  }

  /** Writes server-sent events; `counted` ones are tokens, which the faults `truncate` and `stall` count. */
  event(data: string, counted = false): void {
    if (this.#isSilenced() || !this.isOpen) return;
    this.#response.write(`data: ${data}\n\n`);
    if (!counted) return;
    this.#chunks += 1;
    if (this.fault?.kind === 'truncate' && this.#chunks >= this.fault.afterChunks) this.reset();
  }

  endStream(): void {
    if (this.#isSilenced()) return;
    this.event('[DONE]');
    this.#response.end();
  }

  reset(): void {
    this.request.socket.resetAndDestroy();
  }

  #isSilenced(): boolean {
    return this.fault?.kind === 'stall' && this.#chunks >= this.fault.afterChunks;
  }

  #head(status: number, headers: Readonly<Record<string, string>>): void {
    const response = this.#response;
    // uvicorn names no keep-alive; Node would announce its own.
    if (response.shouldKeepAlive) response.removeHeader('connection');
    response.writeHead(status, { server: 'uvicorn', vary: 'Origin', ...headers, 'x-request-id': this.requestId });
  }
}

/** The whole body as text, or why there is none. */
export async function readText(
  request: IncomingMessage,
  limit: number,
): Promise<{ readonly body: string } | 'too-long' | 'gone'> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request) {
      const bytes = part as Buffer;
      length += bytes.length;
      if (length <= limit) parts.push(bytes);
    }
  } catch (error) {
    // The client left while it was still sending: there is nobody to answer.
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return 'gone';
    throw error;
  }
  return length > limit ? 'too-long' : { body: Buffer.concat(parts).toString('utf8') };
}
