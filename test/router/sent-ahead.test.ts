/** What a client sends ahead of an answer stays in the order in which it came, at whatever moment more of it arrives. */
import type { Socket } from 'node:net';
import t from 'tap';
import { type ConnectionOwner, H1Connection } from '../../router/client/h1-connection.js';
import { Wire } from './fuzz-support.js';

const limits = { headerBytes: 4096, headMs: 0, requestMs: 0, keepAliveMs: 1000, slowClientMs: 1000 };
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: r\r\n\r\n`;

/** A connection whose requests are answered by hand. */
function scene() {
  const wire = new Wire();
  const paths: string[] = [];
  const refused: string[] = [];
  const owner: ConnectionOwner = {
    limits,
    isStopping: false,
    onRequest: ({ head }) => void paths.push(head.path),
    onRefused: ({ code }) => void refused.push(code),
    onClosed: () => undefined,
  };
  const connection = new H1Connection(wire as unknown as Socket, owner);
  const send = (text: string): void => {
    const lent = Buffer.from(text);
    connection.receive(lent);
    lent.fill(0);
  };
  const answer = () => connection.answer.sendWhole(200, '', Buffer.from('{}'));
  return { connection, paths, refused, send, answer };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('bytes that come right after an answer go behind those that came before it', async (t) => {
  const { paths, refused, send, answer } = scene();
  const second = get('/second');
  send(get('/first') + second.slice(0, 12));
  answer();
  send(second.slice(12) + get('/third'));
  await turn();
  t.same(paths, ['/first', '/second'], 'one request at a time');
  answer();
  await turn();
  t.same(paths, ['/first', '/second', '/third']);
  t.same(refused, []);
});

t.test('a connection that is to end after its answer looks at nothing that came ahead', async (t) => {
  const { connection, paths, send, answer } = scene();
  send(get('/first') + get('/second'));
  answer();
  connection.finish();
  await turn();
  t.same(paths, ['/first']);
});
