/** Output that goes nowhere: a full disk behind standard error, a reader of standard output that has left. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import t from 'tap';

const cli = 'dist/src/cli/main.js';
/** Every write to it fails as on a full disk. */
const full = '/dev/full';

t.test(
  'a router whose log cannot be written goes on, and counts what is lost',
  { skip: !existsSync(full) && `no ${full}` },
  async (t) => {
    const objects = t.testdir({ 'objects.yaml': '' });
    const args = ['--objects', `${objects}/objects.yaml`, '--listen', '127.0.0.1:0'];
    const log = openSync(full, 'w');
    const child = spawn(process.execPath, [cli, 'router', ...args], { stdio: ['ignore', 'pipe', log] });
    closeSync(log);
    t.teardown(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const [said] = (await once(createInterface({ input: child.stdout as Readable }), 'line')) as [string];
    const url = /http:\S+/.exec(said)?.[0] ?? '';
    for (let i = 0; i < 200; i += 1) {
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'nobody', prompt: 'x'.repeat(100) }),
      });
      await answer.text();
      t.equal(answer.status >= 400, true);
    }
    const lost = async () =>
      /^tandem_log_lost_writes_total (\d+)/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
    while (Number(await lost()) < 2);
    child.kill('SIGTERM');
    t.strictSame((await exited)[0], 0);
  },
);

t.test('a command whose reader has left ends without a word', async (t) => {
  const child = spawn(process.execPath, [cli, 'expand', '-f', 'config/samples/gpu/modelserving.yaml'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += String(bytes);
  });
  await once(child, 'close');
  t.equal(said, '');
});
