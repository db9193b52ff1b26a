import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { folder } from './folder.js';

t.test('how a cluster is found', async (t) => {
  const config = (server: string, user: object = { token: 'abc' }) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'k', cluster: { server, 'certificate-authority': 'ca.pem' } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u', namespace: 'mine' } }],
    });
  const path = await folder(t);
  await writeFile(join(path, 'ca.pem'), 'CA');
  await writeFile(join(path, 'one'), config('https://one.example:6443/'));
  await writeFile(join(path, 'two'), config('https://two.example'));

  t.test('a named file wins over KUBECONFIG; paths in it are relative to it', async (t) => {
    const connection = await loadConnection({ file: join(path, 'one'), env: { KUBECONFIG: join(path, 'two') } });
    t.match(connection, { server: 'https://one.example:6443', ca: 'CA', namespace: 'mine', insecure: false });
    t.same(await connection.headers(), { authorization: 'Bearer abc' });
    t.equal(
      (await loadConnection({ env: { KUBECONFIG: `${join(path, 'two')}:${join(path, 'one')}` } })).server,
      'https://two.example',
    );
  });

  t.test('a file that is read without the library says what the library says', async (t) => {
    const text = (value: string) => Buffer.from(value).toString('base64');
    const users: Readonly<Record<string, object>> = {
      'a token': { token: 'abc' },
      'a certificate in place': { 'client-certificate-data': text('CERT'), 'client-key-data': text('KEY') },
      'a certificate in files': { 'client-certificate': 'ca.pem', 'client-key': 'ca.pem' },
      nothing: {},
      'a password, which only the library knows': { username: 'u', password: 'p' },
    };
    for (const [title, user] of Object.entries(users)) {
      const file = join(path, 'plain');
      await writeFile(file, config('https://one.example:6443/', user));
      const alone = await loadConnection({ file, env: {} });
      const merged = await loadConnection({ env: { KUBECONFIG: `${file}:${file}` } });
      t.same({ ...alone, source: '', headers: 0 }, { ...merged, source: '', headers: 0 }, title);
      t.same(await alone.headers(), await merged.headers(), title);
    }
  });

  t.test('~/.kube/config is the last resort', async (t) => {
    await mkdir(join(path, '.kube'), { recursive: true });
    await writeFile(join(path, '.kube', 'config'), config('https://home.example').replace('ca.pem', '../ca.pem'));
    t.equal((await loadConnection({ env: { HOME: path } })).server, 'https://home.example');
  });

  t.test('a mounted service account is read without a kubeconfig', async (t) => {
    const serviceAccount = await folder(t);
    for (const [name, text] of [
      ['token', 'tok\n'],
      ['ca.crt', 'CA'],
      ['namespace', 'ns'],
    ] as const) {
      await writeFile(join(serviceAccount, name), text);
    }
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443', HOME: path };
    const connection = await loadConnection({ env, serviceAccount });
    t.match(connection, { server: 'https://[fd00::1]:443', ca: 'CA', namespace: 'ns' });
    t.same(await connection.headers(), { authorization: 'Bearer tok' });
  });

  t.test('what is wrong is said, with the fix', async (t) => {
    const nowhere = { env: { HOME: join(path, 'none') }, serviceAccount: join(path, 'none') };
    await t.rejects(loadConnection(nowhere), { code: 'no-kubeconfig', message: /--kubeconfig FILE or KUBECONFIG$/ });
    await t.rejects(loadConnection({ file: join(path, 'absent'), env: {} }), {
      code: 'no-kubeconfig',
      message: /absent/,
    });
    const bad: [string, string, RegExp][] = [
      ['broken YAML', 'a: [', /cannot be used/],
      ['no context', '{"apiVersion":"v1","kind":"Config"}', /names no cluster/],
      ['no URL', config('not a url'), /is not a URL/],
      ['a missing CA file', config('https://x').replace('ca.pem', 'gone.pem'), /gone\.pem/],
      [
        'a missing exec plugin',
        config('https://x', {
          exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'no-such-plugin', interactiveMode: 'Never' },
        }),
        /no-such-plugin/,
      ],
    ];
    for (const [title, text, message] of bad) {
      await writeFile(join(path, 'bad'), text);
      await t.rejects(loadConnection({ file: join(path, 'bad'), env: {} }), { code: 'bad-kubeconfig', message }, title);
    }
  });
});
