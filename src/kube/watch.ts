/** Bytes of a watch to events: one JSON object per line, as https://kubernetes.io/docs/reference/using-api/api-concepts/ says. */
import { describeError, table } from '../base/errors.js';
import { isObject } from '../base/json.js';
import type { ByteStream, RawObject } from './client.js';
import { KubeError, readStatus } from './kube-error.js';

export const watchErrors = table({
  'watch-broken': {
    status: 502,
    retryable: true,
    says: (m: { why: string }) => `the watch broke: ${m.why}; it is opened again from the last version seen`,
  },
  'watch-idle': {
    status: 504,
    retryable: true,
    says: (m: { seconds: number }) =>
      `the watch was silent for ${m.seconds} s; the connection counts as lost and is opened again`,
  },
});

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

const newline = 0x0a;
/** An object is at most 1.5 MB in etcd; JSON of it with escapes stays far below. */
const longestLine = 64 * 1024 * 1024;

/** Events until the server ends the response. An ERROR event is thrown as the `KubeError` it carries. */
export async function* readWatch<T extends RawObject>(
  stream: ByteStream,
  idleMilliseconds: number,
): AsyncGenerator<WatchEvent<T>> {
  const idle = setTimeout(
    () => stream.destroy(watchErrors('watch-idle', { seconds: idleMilliseconds / 1000 })),
    idleMilliseconds,
  );
  try {
    for await (const line of splitLines(stream, () => idle.refresh())) {
      const event = parseEvent<T>(line);
      if (event !== undefined) yield event;
    }
  } finally {
    clearTimeout(idle);
    stream.destroy();
  }
}

async function* splitLines(stream: ByteStream, onBytes: () => void): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    onBytes();
    let from = 0;
    for (let to = chunk.indexOf(newline); to >= 0; to = chunk.indexOf(newline, from)) {
      parts.push(chunk.subarray(from, to));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      length = 0;
      from = to + 1;
    }
    if (from < chunk.length) {
      parts.push(chunk.subarray(from));
      length += chunk.length - from;
    }
    if (length > longestLine) throw watchErrors('watch-broken', { why: `a line is longer than ${longestLine} bytes` });
  }
  if (length > 0) throw watchErrors('watch-broken', { why: 'it ended in the middle of a line' });
}

function parseEvent<T extends RawObject>(line: string): WatchEvent<T> | undefined {
  if (line.trim() === '') return undefined;
  const { type, object } = parseLine(line);
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: object as unknown as T };
    case 'BOOKMARK':
      return { type, resourceVersion: String((object['metadata'] as RawObject['metadata']).resourceVersion ?? '') };
    case 'ERROR': {
      const status = typeof object['code'] === 'number' ? object['code'] : 500;
      throw new KubeError(status, 'WATCH', readStatus(JSON.stringify(object), undefined, status));
    }
    default:
      throw watchErrors('watch-broken', { why: `unknown event type ${String(type)}` });
  }
}

function parseLine(line: string): { type: unknown; object: Record<string, unknown> } {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw watchErrors('watch-broken', { why: `a line is not JSON: ${describeError(error)}` }, error);
  }
  if (!isObject(event) || !isObject(event['object']))
    throw watchErrors('watch-broken', { why: 'a line is not an event' });
  const object = event['object'];
  if (event['type'] !== 'ERROR' && !isObject(object['metadata'])) {
    throw watchErrors('watch-broken', { why: 'an event carries no metadata' });
  }
  return { type: event['type'], object };
}
