import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { ClientFaults, refuse } from './client-faults.js';
import { ConnectionGate } from './connection-gate.js';
import type { Limits } from './limits.js';

/** The server that clients talk to. Node's own parser is the floor of strictness; `onRequest` gets what it lets pass. */
export function createHttpServer(limits: Limits, onRequest: RequestListener): Server {
  const faults = new ClientFaults();
  const begin: RequestListener = (request, response) => {
    faults.began(response);
    onRequest(request, response);
  };
  const server = createServer(optionsOf(limits), begin);
  // With a listener of their own these are judged before the client is told to go on.
  server.on('checkContinue', begin);
  server.on('checkExpectation', begin);
  server.on('connect', (_request, socket) => refuse(socket as Socket, noTunnel));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => faults.onError(error, socket as Socket));
  server.maxConnections = limits.connections;
  guard(server, limits);
  return server;
}

/** A connection too many is refused before Node takes a parser for it. */
function guard(server: Server, { connectionsPerClient }: Limits): void {
  const gate = new ConnectionGate(connectionsPerClient);
  const accept = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    if (!gate.admits(socket)) {
      socket.resume();
      refuse(socket, tooManyConnections, 'retry-after: 1\r\n');
      return;
    }
    for (const listener of accept) listener.call(server, socket);
  });
}

const tooManyConnections = {
  status: 429,
  reason: 'Too Many Requests',
  code: 'too-many-connections',
  message: 'this client has too many open connections; close some, or use them again',
};

const noTunnel = {
  status: 501,
  reason: 'Not Implemented',
  code: 'no-tunnel',
  message: 'CONNECT is not served here; send requests to the router itself',
};

const optionsOf = (limits: Limits) => ({
  maxHeaderSize: limits.headerBytes,
  requestTimeout: limits.requestMs,
  headersTimeout: Math.min(limits.requestMs, 15_000),
  connectionsCheckingInterval: Math.min(5000, Math.max(20, limits.requestMs / 4)),
  keepAliveTimeout: 75_000,
  noDelay: true,
  insecureHTTPParser: false,
  requireHostHeader: true,
});
