/** The drain hook as the kubelet runs it: a process that asks a real engine's metrics. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { drainHook } from '../../../src/core/expand/drain.js';

t.test('the drain hook', async (t) => {
  const python = spawn('python3', ['--version'], { stdio: 'ignore' });
  const found = await new Promise<boolean>((done) =>
    python.once('error', () => done(false)).once('exit', (code) => done(code === 0)),
  );

  /** An engine that shows each page of metrics once, the last one for ever. */
  async function engine(t: { teardown(close: () => unknown): unknown }, pages: readonly string[]) {
    const left = [...pages];
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      response.end(left.length > 1 ? left.shift() : left[0]);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    return { port: (server.address() as AddressInfo).port, asked: () => asked };
  }
  const run = (port: number, gauges: readonly string[], seconds = 60): ChildProcess => {
    const [program = '', ...args] =
      drainHook({ engineOf: 'pod', port, metricsPath: '/metrics', seconds, gauges }).exec?.command ?? [];
    return spawn(program, args, { stdio: 'inherit', env: { PATH: process.env['PATH'], POD_IP: '127.0.0.1' } });
  };
  const ended = async (child: ChildProcess): Promise<unknown> => (await once(child, 'exit'))[0];
  const page = (running: number, kv: number) =>
    `# HELP x y\nvllm:num_requests_running{model_name="a b"} ${running}.0\nvllm:other 9\nvllm:kv_cache_usage_perc{engine="0"} ${kv}\n`;
  const gauges = ['vllm:num_requests_running', 'vllm:kv_cache_usage_perc', 'vllm:not_exported'];

  t.test('waits until requests and KV are gone, twice in a row', { skip: !found && 'no python3 here' }, async (t) => {
    const { port, asked } = await engine(t, [page(1, 0.2), page(0, 0.1), page(0, 0)]);
    t.equal(await ended(run(port, gauges)), 0);
    t.equal(asked(), 4);
  });
  t.test('ends at its limit', { skip: !found && 'no python3 here' }, async (t) => {
    const { port, asked } = await engine(t, [page(1, 0)]);
    t.equal(await ended(run(port, gauges, 1)), 0);
    t.ok(asked() >= 1);
  });
  t.test('does not wait for an engine that is gone', { skip: !found && 'no python3 here' }, async (t) => {
    const { port } = await engine(t, ['']);
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const free = (closed.address() as AddressInfo).port;
    await new Promise((done) => closed.close(done));
    t.not(free, port);
    t.equal(await ended(run(free, gauges)), 0);
  });
  t.test('a worker waits for the engine of its entry pod', { skip: !found && 'no python3 here' }, async (t) => {
    const { port, asked } = await engine(t, [page(1, 0), page(0, 0)]);
    const hook = drainHook({ engineOf: 'entry', port, metricsPath: '/metrics', seconds: 60, gauges });
    const [program = '', ...args] = hook.exec?.command ?? [];
    const env = { PATH: process.env['PATH'], POD_IP: '127.9.9.9', ENTRY_ADDRESS: 'localhost' };
    t.equal(await ended(spawn(program, args, { stdio: 'inherit', env })), 0);
    t.equal(asked(), 3);
  });
});
