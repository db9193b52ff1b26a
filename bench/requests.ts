/** The requests that every contender gets. */

const prompt = (bytes: number): string =>
  'The quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(bytes / 45)).slice(0, bytes);

/** What clients send around a prompt is about 200 bytes. The seed does not fit into a double. */
const body = (bytes: number, system: string, more = ''): string =>
  `{"model":"m",${more}"messages":[{"role":"system","content":"${system}"},{"role":"user","content":"${prompt(bytes - 200)}"}],"max_tokens":20,"temperature":0.7,"seed":9007199254740993}`;

const post = (text: string): Buffer =>
  Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: router\r\nuser-agent: bench/1\r\nauthorization: Bearer abc\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );

export interface StreamShape {
  readonly everyMs: number;
  readonly aligned: boolean;
}

export const wholeRequest = (kilobytes: number): Buffer => post(body(kilobytes * 1024, 'You are a helpful assistant.'));

export const streamRequest = (chunks: number, { everyMs, aligned }: StreamShape): Buffer =>
  wanting(`chunks=${chunks} every=${everyMs}${aligned ? ' aligned' : ''}`);

/** A stream that says one thing and then nothing. */
export const silentStream = (): Buffer => wanting('hold');

/** A stream that sends so many bytes as fast as they are taken. */
export const torrent = (bytes: number): Buffer => wanting(`push=${bytes}`);

/** In the prompt, since one of the routers drops other fields that could carry it. */
const wanting = (wish: string): Buffer => post(body(1024, `bench ${wish}`, '"stream":true,'));
