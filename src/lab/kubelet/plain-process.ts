import { createServer, type Server } from 'node:http';
import type { Container } from '../../api/kube.js';
import { describeError } from '../../base/errors.js';
import { listen } from '../../server/listen.js';
import { closeServer } from '../../server/probes.js';
import { exitSlot, type Process } from './process.js';

/** A container without an engine: answers 200 on every declared TCP port, and otherwise just stays. */
export async function startPlainProcess(container: Container, podIP: string): Promise<Process> {
  const { exited, exit } = exitSlot();
  const servers: Server[] = [];
  try {
    for (const port of tcpPorts(container)) {
      const server = createServer((request, response) => {
        request.resume();
        response.end(`${container.name}\n`);
      });
      servers.push(server);
      await listen(server, { host: podIP, port });
    }
  } catch (error) {
    await Promise.all(servers.map(closeServer));
    exit({ code: 1, reason: 'Error', message: describeError(error) });
  }
  const end = async (code: number) => {
    await Promise.all(servers.map(closeServer));
    exit({ code, reason: code === 0 ? 'Completed' : 'Error' });
  };
  return { exited, isIdle: true, engine: undefined, terminate: () => end(0), kill: () => end(137) };
}

const tcpPorts = (container: Container): readonly number[] => [
  ...new Set(
    (container.ports ?? [])
      .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
      .map(({ containerPort }) => containerPort),
  ),
];
