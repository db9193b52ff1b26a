/** A prefill and a decode engine, or several, that do what a test says, and a router in front of them. */
import { basename } from 'node:path';
import type { Test } from 'tap';
import type { Limits } from '../../router/limits.js';
import type { ModelServer } from '../../src/api/types.js';
import { type PodWanted, type RouterLab, routerLab, serverOf } from './lab.js';
import {
  type Arrived,
  answer,
  completion,
  event,
  lastChunk,
  prefilled,
  type Script,
  type ScriptedEngine,
  scriptedEngine,
  sseHead,
  subnet,
  token,
} from './support.js';

/** Each test file is a process of its own, and has engines on addresses of its own. */
const ip = subnet(basename(process.argv[1] ?? ''));
export const ask = { model: 'tiny', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 9 };
export const prefillOk: Script = ({ socket }) => void socket.write(answer(200, prefilled()));
export const decodeOk: Script = ({ socket }) => void socket.write(answer(200, completion('hello')));
export const streamOk: Script = ({ socket }) =>
  void socket.write(sseHead + event(token('a')) + event(token('b', 'stop')) + event('[DONE]') + lastChunk);
export const reset: Script = ({ socket }) => void socket.resetAndDestroy();
export const refuse =
  (status: number): Script =>
  ({ socket }) =>
    void socket.write(answer(status, `{"error":{"message":"no ${status}"}}`));

export interface Scene {
  readonly lab: RouterLab;
  readonly p: readonly ScriptedEngine[];
  readonly d: readonly ScriptedEngine[];
  /** Pods that were asked, in order, as `p0 d0`. */
  asked(): string;
}

export interface Setting {
  readonly prefill: readonly Script[];
  readonly decode: readonly Script[];
  readonly whole?: readonly Script[];
  readonly spec?: Partial<ModelServer['spec']>;
  readonly fallback?: string;
  readonly limits?: Partial<Limits>;
}

let hosts = 1;

/** The address that the next engine gets. */
export const nextAddress = (): string => ip(nextHost());

const nextHost = (): number => (hosts % 250) + 1;

/** Engines with these scripts, all on one port of their own addresses, and a router in front of them. */
export async function scene(
  t: Test,
  { prefill, decode, whole = [], spec = {}, fallback, limits = {} }: Setting,
): Promise<Scene> {
  const order: string[] = [];
  let port = 0;
  const pods: PodWanted[] = [];
  const start = async (role: string, scripts: readonly Script[]) => {
    const engines: ScriptedEngine[] = [];
    for (const [i, script] of scripts.entries()) {
      const name = `${role[0]}${i}`;
      hosts = nextHost();
      const host = ip(hosts);
      const engine = await scriptedEngine(t, host, port, (request, index) => {
        order.push(name);
        return script(request, index);
      });
      port = engine.port;
      pods.push({ name, ip: host, ...(role !== 'whole' && { role }) });
      engines.push(engine);
    }
    return engines;
  };
  const p = await start('prefill', prefill);
  const d = await start('decode', decode);
  await start('whole', whole);
  const server = serverOf(port, spec, fallback === undefined ? {} : { 'tandem.dev/fallback': fallback });
  const lab = await routerLab(t, { pods, server, limits });
  return { lab, p, d, asked: () => order.join(' ') };
}

/** The first request that the first of these engines gets. */
export function first([engine]: readonly ScriptedEngine[]): Promise<Arrived> {
  if (!engine) throw new Error('the scene has no such engine');
  return engine.arrived(0);
}

export async function request(lab: RouterLab, body: object = ask, path = '/v1/chat/completions') {
  const response = await fetch(`${lab.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
