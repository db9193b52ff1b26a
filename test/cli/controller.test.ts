/** `tandem controller` as a process: where its Lease is, and what a taken port does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { run } from '../e2e/kubectl.js';
import { json } from '../kube/raw-api.js';

/** An API server without anything, which tells the first path that names a Lease. */
async function api(t: Test) {
  let found: (path: string) => void = () => undefined;
  const lease = new Promise<string>((resolve) => {
    found = resolve;
  });
  const server = createServer((request, response) => {
    if (request.url?.includes('/leases')) found(request.url);
    json(response, 404, { kind: 'Status', code: 404, reason: 'NotFound', message: 'not here' });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token: 'x' } }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace: 'of-a-person' } }],
  };
  return { lease, port, kubeconfig: join(t.testdir({ kubeconfig: JSON.stringify(config) }), 'kubeconfig') };
}

for (const [args, expected] of [
  [[], '/namespaces/tandem-system/leases'],
  [['--leader-elect-namespace', 'mine'], '/namespaces/mine/leases'],
] as const) {
  t.test(`the Lease is looked for in ${expected}`, async (t) => {
    const { lease, kubeconfig } = await api(t);
    const child = spawn(
      process.execPath,
      ['dist/src/cli/main.js', 'controller', '--listen', '127.0.0.1:0', '--leader-elect', ...args],
      { env: { KUBECONFIG: kubeconfig }, stdio: 'ignore' },
    );
    const ended = once(child, 'exit');
    t.match(await lease, expected);
    child.kill('SIGTERM');
    t.strictSame(await ended, [0, null]);
  });
}

t.test('a port that is taken ends the process with what to do', async (t) => {
  const { port, kubeconfig } = await api(t);
  const args = ['dist/src/cli/main.js', 'controller', '--listen', `127.0.0.1:${port}`];
  const { code, stderr } = await run(process.execPath, args, { env: { KUBECONFIG: kubeconfig } });
  t.equal(code, 1);
  t.match(stderr, /error port-in-use: .*--listen/);
});
