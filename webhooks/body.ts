import type { IncomingMessage } from 'node:http';
import { reviewErrors } from './errors.js';

/** Two objects of 3 MB, the largest that etcd takes, and their envelope. */
const mostBytes = 7 * 1024 * 1024;
const limit = '7 MiB';

/**
 * The whole body of a request, in one piece. Rejects with `wrong-encoding` or `body-too-large` as soon as that is known,
 * when the rest is not read, and with `not-readable` when the sender leaves before the end.
 */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  const { 'content-encoding': encoding = 'identity', 'content-length': announced } = request.headers;
  if (encoding !== 'identity') throw reviewErrors('wrong-encoding', { encoding: encoding.slice(0, 100) });
  if (Number(announced) > mostBytes) throw reviewErrors('body-too-large', { limit });
  return collect(request);
}

function collect(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    request.on('data', (piece: Buffer) => {
      length += piece.length;
      if (length > mostBytes) {
        request.pause();
        reject(reviewErrors('body-too-large', { limit }));
      } else pieces.push(piece);
    });
    request.on('end', () => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, length)));
    request.on('error', (cause) => reject(reviewErrors('not-readable', { why: 'it ends too early' }, cause)));
  });
}
