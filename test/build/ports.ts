/** Ports for programs that must be told one, and for servers that give theirs up and take it again. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below every system's range for ports that it chooses itself (Linux from 32768, others from 49152): there, a port
 * that a test lets go may become the near end of anybody's connection, and cannot be taken again for a minute.
 */
const lowest = 10_000;
const beyond = 30_000;

/** A TCP port of 127.0.0.1 that nobody listens on, chosen at random so that tests side by side differ. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, beyond);
    if (await isFree(port)) return port;
  }
}

/** The given number of different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

/** Asks on all addresses, because a listener on one of them would keep a program from listening on all. */
function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
