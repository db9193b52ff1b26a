import { randomFillSync } from 'node:crypto';

const pooled = 4096;

/** Random bytes as hexadecimal digits, never all zero. Asks the system for some hundred at once. */
export function hexIds(): (bytes: number) => string {
  const pool = Buffer.alloc(pooled);
  let at = pooled;
  const next = (bytes: number): string => {
    if (at + bytes > pooled) {
      randomFillSync(pool);
      at = 0;
    }
    at += bytes;
    const id = pool.toString('hex', at - bytes, at);
    return /^0+$/.test(id) ? next(bytes) : id;
  };
  return next;
}
