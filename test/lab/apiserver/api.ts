/** A bare HTTPS client of any Kubernetes API server: what goes over the wire is what the test says. */
import { Agent, request } from 'node:https';

export interface Endpoint {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}

export interface Answer {
  readonly status: number;
  readonly warnings: readonly string[];
  readonly contentType: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the server said
  readonly body: any;
}

export interface Asked {
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly text?: string;
  readonly type?: string;
  readonly accept?: string;
  readonly token?: string;
}

export interface Watching {
  /** Resolves with the next event; rejects when the watch ends first. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever the server said
  next(): Promise<any>;
  readonly status: number;
  close(): void;
}

export class Api implements AsyncDisposable {
  readonly #endpoint: Endpoint;
  readonly #agent: Agent;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#agent = new Agent({ keepAlive: true, ca: endpoint.ca });
  }

  ask(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const text = asked.text ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body));
    return new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(path, this.#endpoint.server),
        {
          method,
          agent: this.#agent,
          headers: {
            authorization: `Bearer ${asked.token ?? this.#endpoint.token}`,
            accept: asked.accept ?? 'application/json',
            'user-agent': 'tandem-test/1',
            ...(text !== undefined && {
              'content-type': asked.type ?? 'application/json',
              'content-length': Buffer.byteLength(text),
            }),
          },
        },
        (incoming) => {
          let received = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (chunk: string) => {
            received += chunk;
          });
          incoming.on('error', reject);
          incoming.on('end', () => {
            const contentType = incoming.headers['content-type'] ?? '';
            resolve({
              status: incoming.statusCode ?? 0,
              warnings: incoming.rawHeaders.filter((_value, index, all) => /^warning$/i.test(all[index - 1] ?? '')),
              contentType,
              body: contentType.startsWith('application/json') ? JSON.parse(received) : received,
            });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  /** Opens a watch; a refusal is an event of its own, of type ERROR. */
  watch(path: string, accept = 'application/json'): Promise<Watching> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(path, this.#endpoint.server),
        { agent: this.#agent, headers: { authorization: `Bearer ${this.#endpoint.token}`, accept } },
        (incoming) => {
          const lines = linesOf(incoming);
          resolve({
            status: incoming.statusCode ?? 0,
            async next() {
              const line = await lines.next();
              if (line.done) throw new Error('the watch ended');
              return JSON.parse(line.value);
            },
            close: () => incoming.destroy(),
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    return Promise.resolve();
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    rest += chunk.toString('utf8');
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
}
