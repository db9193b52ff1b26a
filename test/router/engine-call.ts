/** Calls to engines by the router's own pool. */
import { basename } from 'node:path';
import type { Test } from 'tap';
import type { EngineRequest, Exchange } from '../../router/engine/exchange.js';
import type { EngineFailure } from '../../router/engine/failure.js';
import { type Call, EnginePool, type PoolOptions } from '../../router/engine/pool.js';
import type { ResponseHead } from '../../router/engine/response-head.js';
import { subnet } from './support.js';

/** Where the engines of a test file listen. */
export const ip = subnet(basename(process.argv[1] ?? ''))(1);

interface Asked {
  readonly again?: boolean;
  readonly tls?: boolean;
  readonly connect?: number;
  readonly head?: number;
  readonly idle?: number;
  readonly body?: readonly string[];
  readonly signal?: AbortSignal;
  /** Asks for a pause with every stretch of body, as a relay whose client is behind does. */
  readonly pauses?: boolean;
  readonly onCall?: (call: Call) => void;
}

export function call(
  pool: EnginePool,
  port: number,
  {
    again = true,
    tls = false,
    connect = 2000,
    head = 5000,
    idle = 5000,
    body = ['{}'],
    signal,
    pauses = false,
    onCall,
  }: Asked = {},
) {
  return new Promise<{ status?: number; body?: string; failure?: EngineFailure }>((resolve) => {
    let seen: ResponseHead | undefined;
    const parts: Buffer[] = [];
    const exchange: Exchange = {
      onHead: (head) => {
        seen = head;
      },
      onBody: (bytes, from, to) => {
        parts.push(Buffer.from(bytes.subarray(from, to)));
        if (pauses) call.pause();
      },
      onEnd: () => resolve({ status: seen?.status ?? 0, body: Buffer.concat(parts).toString() }),
      onFailure: (failure) => resolve({ failure }),
    };
    const buffers = body.map((part) => Buffer.from(part));
    const length = buffers.reduce((sum, part) => sum + part.length, 0);
    const request: EngineRequest = {
      deadlines: { connect, head, idle },
      writeTo(socket, sent) {
        socket.write(`POST / HTTP/1.1\r\ncontent-length: ${length}\r\n\r\n`);
        socket.write(Buffer.concat(buffers), sent);
      },
    };
    const call = pool.request({ ip, port, tls }, request, exchange, again);
    onCall?.(call);
    signal?.addEventListener('abort', () => call.abort('told to'));
  });
}

export async function poolOf(t: Test, options: Partial<PoolOptions> = {}): Promise<EnginePool> {
  const pool = new EnginePool({ keepAliveMs: 4000, maxFree: 8, ...options });
  t.teardown(() => pool.close());
  return pool;
}
