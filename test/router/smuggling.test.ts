/** Requests that two parsers might read differently, as raw bytes: an engine never sees more than one of them. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';
import { labels } from '../../src/api/names.js';
import { routerLab, serverOf } from './lab.js';
import { answer, completion, scriptedEngine, subnet } from './support.js';

/** What must become of one case. */
interface Case {
  readonly why: string;
  /** Statuses that the client reads, in order. */
  readonly answers: readonly number[];
  /** Requests that the engine sees. */
  readonly engine: number;
  /** The router ends the connection by itself. */
  readonly closed: boolean;
}

const folder = new URL('../../../test/fixtures/smuggling/', import.meta.url);
const cases = JSON.parse(readFileSync(new URL('index.json', folder), 'utf8')) as Record<string, Case>;
const ip = subnet('smuggling')(1);

t.test('a request that two parsers might read differently', async (t) => {
  const raw: Buffer[] = [];
  const engine = await scriptedEngine(t, ip, 0, ({ socket }) => void socket.write(answer(200, completion('hello'))));
  engine.onBytes = (bytes) => void raw.push(bytes);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  const lab = await routerLab(t, { pods: [{ name: 'w0', ip }], server, limits: { requestMs: 1000 } });

  for (const [name, { why, answers, engine: seen, closed }] of Object.entries(cases)) {
    t.test(`${name}: ${why}`, async (t) => {
      const before = engine.requests.length;
      raw.length = 0;
      const bytes = readFileSync(new URL(`${name}.http`, folder));
      const text = await exchange(lab.port, bytes, {
        answers: answers.length,
        closed,
        halfClose: name === 'chunk-cut',
      });
      t.same(statuses(text), answers, text);
      t.equal(engine.requests.length - before, seen, 'requests at the engine');
      const wire = Buffer.concat(raw).toString('latin1');
      t.notMatch(wire, /SMUGGLED|transfer-encoding|upgrade|http2-settings|^expect|trailer/im);
      t.equal([...wire.matchAll(/HTTP\/\d/g)].length, seen, 'request lines on the wire');
      t.equal([...wire.matchAll(/^content-length:/gim)].length, seen, 'one length each');
    });
  }
});

const statuses = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, digits]) => Number(digits));

/** Sends these bytes; returns what came back by the time the router closed, or all answers were there. */
function exchange(
  port: number,
  bytes: Buffer,
  { answers, closed, halfClose }: { answers: number; closed: boolean; halfClose: boolean },
): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('data', (more: Buffer) => {
      text += more.toString('latin1');
      if (!closed && isComplete(text, answers)) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.setTimeout(3000, () => {
      text += 'the router is silent and keeps the connection open';
      socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.write(bytes);
    if (halfClose) socket.end();
  });
}

/** Whether the last answer expected has its head and the body that its length says (none is needed to tell two apart). */
function isComplete(text: string, answers: number): boolean {
  const heads = text.split(/(?=HTTP\/1\.1 )/);
  const [head = '', body = ''] = (heads[answers - 1] ?? '').split('\r\n\r\n');
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  return (
    heads.length >= answers &&
    text.includes('\r\n\r\n') &&
    (body.length >= length || !head.includes('application/json'))
  );
}
