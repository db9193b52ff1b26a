import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import type { Container, HttpGetAction, Probe } from '../../api/kube.js';

export interface ProbeResult {
  readonly ok: boolean;
  /** What went wrong, as `kubectl describe` shows it. */
  readonly message: string;
}

const fine: ProbeResult = { ok: true, message: '' };

/**
 * Executes one probe against the pod's address. `exec` probes succeed: there is no container to run them in. Timeouts are
 * not scaled, because a loaded laptop answers no faster for being a lab.
 */
export function runProbe(probe: Probe, container: Container, podIP: string): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.httpGet) return httpGet(probe.httpGet, container, podIP, timeoutMs);
  const socket = probe.tcpSocket ?? probe.grpc;
  if (!socket) return Promise.resolve(fine);
  const host = 'host' in socket ? (socket.host ?? podIP) : podIP;
  return tcpSocket(host, portOf(socket.port, container), timeoutMs);
}

/** Sends the GET of a probe or of a lifecycle hook; 200 to 399 is success. */
export function httpGet(
  action: HttpGetAction,
  container: Container,
  podIP: string,
  timeoutMs: number,
): Promise<ProbeResult> {
  const port = portOf(action.port, container);
  if (port === undefined) return Promise.resolve({ ok: false, message: `no port is called "${action.port}"` });
  const host = action.host ?? podIP;
  const path = action.path ?? '/';
  const headers = Object.fromEntries((action.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const options = { host, port, path, headers: { 'user-agent': 'kube-probe/lab', connection: 'close', ...headers } };
  const send = action.scheme === 'HTTPS' ? requestTls : request;
  return new Promise((resolve) => {
    const target = `Get "${(action.scheme ?? 'HTTP').toLowerCase()}://${host}:${port}${path}"`;
    const call = send({ ...options, agent: false, timeout: timeoutMs, rejectUnauthorized: false }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      const ok = status >= 200 && status < 400;
      resolve(ok ? fine : { ok, message: `HTTP probe failed with statuscode: ${status}` });
    });
    call.on('timeout', () => call.destroy(new Error('context deadline exceeded')));
    call.on('error', (error) => resolve({ ok: false, message: `${target}: ${error.message}` }));
    call.end();
  });
}

function tcpSocket(host: string, port: number | undefined, timeoutMs: number): Promise<ProbeResult> {
  if (port === undefined) return Promise.resolve({ ok: false, message: 'the port of the probe has no number' });
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs }, () => {
      socket.destroy();
      resolve(fine);
    });
    const fail = (why: string) => {
      socket.destroy();
      resolve({ ok: false, message: `dial tcp ${host}:${port}: ${why}` });
    };
    socket.on('timeout', () => fail('i/o timeout'));
    socket.on('error', (error) => fail(error.message));
  });
}

function portOf(port: number | string, container: Container): number | undefined {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  return container.ports?.find(({ name }) => name === port)?.containerPort;
}
