import type { Server } from 'node:net';
import { table } from '../base/errors.js';

export const listenErrors = table({
  'bad-listen-address': {
    status: 500,
    retryable: false,
    says: (m: { value: string }) =>
      `listen address "${m.value}" is not HOST:PORT; write for example 127.0.0.1:8080 or :8080`,
  },
  'port-in-use': {
    status: 500,
    retryable: true,
    says: (m: { address: string }) =>
      `address ${m.address} is already in use; stop the other process or choose another with --listen HOST:PORT, that of metrics with --metrics-listen (port 0 picks a free one)`,
  },
  'cannot-listen': {
    status: 500,
    retryable: false,
    says: (m: { address: string; why: string }) =>
      `cannot listen on ${m.address}: ${m.why}; choose another address with --listen HOST:PORT`,
  },
});

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST:PORT`, `:PORT`, `PORT` or `[v6]:PORT`; an absent host means all interfaces. */
export function parseAddress(value: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]:|([^:]*):)?(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw listenErrors('bad-listen-address', { value });
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}

/**
 * Connections that the kernel keeps until we accept them; it may allow fewer (`net.core.somaxconn`). Beyond Node's 511 a burst
 * of new clients would be left without an answer, and without a word for a quarter of a minute.
 */
const backlog = 4096;

/** Listens and returns the address that was really taken; a taken port and a bad host become errors with a fix. */
export async function listen(server: Server, address: Address): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const text = `${address.host}:${address.port}`;
      reject(
        error.code === 'EADDRINUSE'
          ? listenErrors('port-in-use', { address: text }, error)
          : listenErrors('cannot-listen', { address: text, why: error.message }, error),
      );
    };
    server.once('error', onError);
    server.listen({ ...address, backlog }, () => {
      server.off('error', onError);
      resolve();
    });
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? { host: address.host, port: bound.port } : address;
}
