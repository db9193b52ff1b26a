/** What the standard asks of answers on the wire, whatever an engine or a client says. */
import t, { type Test } from 'tap';
import { labels } from '../../src/api/names.js';
import { routerLab, serverOf } from './lab.js';
import { answer, completion, connectClient, type Script, scriptedEngine, subnet } from './support.js';

const ip = subnet('wire-rules')(1);
const body = '{"model":"tiny","prompt":"Hello"}';

async function scene(t: Test, script: Script) {
  const engine = await scriptedEngine(t, ip, 0, script);
  const server = serverOf(engine.port, { workloadSelector: { matchLabels: { [labels.name]: 'm' } } });
  return routerLab(t, { pods: [{ name: 'w0', ip }], server });
}

const ask = (version: string, more = ''): string =>
  `POST /v1/completions HTTP/${version}\r\nhost: r\r\nconnection: close\r\n${more}content-length: ${body.length}\r\n\r\n`;

t.test('an answer that has no body has no length either (RFC 9110 8.6)', async (t) => {
  for (const status of [204, 304]) {
    for (const length of ['', 'content-length: 0\r\n']) {
      const lab = await scene(
        t,
        ({ socket }) => void socket.write(`HTTP/1.1 ${status} X\r\nx-own: 1\r\n${length}\r\n`),
      );
      const client = connectClient(lab.port, ask('1.1') + body);
      await client.ended;
      t.match(client.text(), new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*x-own: 1\r\n[\\s\\S]*\r\n\r\n$`));
      t.notMatch(client.text(), /content-length|transfer-encoding/i);
      await lab.running.stop();
    }
  }
  const lab = await scene(t, ({ socket }) => void socket.write(answer(200, '')));
  const client = connectClient(lab.port, ask('1.1') + body);
  await client.ended;
  t.match(client.text(), /content-length: 0\r\n/, 'one that is merely empty has');
});

t.test('only a client of HTTP/1.1 is told to go on (RFC 9110 10.1.1)', async (t) => {
  const lab = await scene(t, ({ socket }) => void socket.write(answer(200, completion('hello'))));
  const latest = connectClient(lab.port, ask('1.1', 'expect: 100-continue\r\n'));
  await latest.received('HTTP/1.1 100 Continue\r\n\r\n');
  latest.send(body);
  await latest.ended;
  t.match(latest.text(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);

  const before = connectClient(lab.port, ask('1.0', 'expect: 100-continue\r\n'));
  // Its head has been read when this has been answered: both come to one process, one after the other.
  const after = connectClient(lab.port, 'GET /v1/models HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n');
  await after.ended;
  before.send(body);
  await before.ended;
  t.match(before.text(), /^HTTP\/1\.1 200 /);
});
