/** One HTTP exchange: bounded reading of the request, and the few shapes an answer can have. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UserInfo } from './call.js';
import { readBody } from './media.js';
import { ApiError, tooLarge } from './status.js';

/** As the real server limits request bodies. */
const bodyLimit = 3 * 1024 * 1024;

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: UserInfo;
  readonly #warnings = new Set<string>();

  constructor(request: IncomingMessage, response: ServerResponse, url: URL, user: UserInfo) {
    this.request = request;
    this.response = response;
    this.url = url;
    this.user = user;
  }

  get method(): string {
    return this.request.method ?? 'GET';
  }

  get query(): URLSearchParams {
    return this.url.searchParams;
  }

  get contentType(): string {
    return (this.request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  }

  get userAgent(): string {
    return this.request.headers['user-agent'] ?? '';
  }

  readonly warn = (text: string): void => {
    this.#warnings.add(text);
  };

  /** The parsed body; undefined when it is empty. Throws 413 over the limit. */
  async body(): Promise<unknown> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > bodyLimit) throw tooLarge(bodyLimit);
      chunks.push(chunk);
    }
    return readBody(Buffer.concat(chunks), this.request.headers['content-type']);
  }

  json(status: number, body: unknown, contentType = 'application/json'): void {
    const text = `${JSON.stringify(body)}\n`;
    this.response.writeHead(status, this.#headers(contentType, Buffer.byteLength(text)));
    this.response.end(text);
  }

  text(status: number, text: string): void {
    this.response.writeHead(status, this.#headers('text/plain; charset=utf-8', Buffer.byteLength(text)));
    this.response.end(text);
  }

  /** Answers with the Status of a refusal; anything else that was thrown is a bug and becomes 500. */
  fail(error: unknown): void {
    const refusal =
      error instanceof ApiError
        ? error
        : new ApiError(500, 'InternalError', `Internal error occurred: ${String(error)}`);
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    if (refusal.details?.retryAfterSeconds !== undefined) {
      this.response.setHeader('Retry-After', String(refusal.details.retryAfterSeconds));
    }
    // What is left of a refused body is not read: the connection ends with the answer.
    if (!this.request.complete) this.response.setHeader('Connection', 'close');
    this.json(refusal.status, refusal.body);
  }

  #headers(contentType: string, length: number): Record<string, string | number | string[]> {
    const warnings = [...this.#warnings].map((text) => `299 - ${JSON.stringify(text.replace(/[\r\n]+/g, ' '))}`);
    return {
      'content-type': contentType,
      'content-length': length,
      'cache-control': 'no-cache, private',
      ...(warnings.length > 0 && { warning: warnings }),
    };
  }
}
