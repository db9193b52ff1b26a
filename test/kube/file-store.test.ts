import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RawObject } from '../../src/kube/client.js';
import { openObjectFile } from '../../src/kube/file-store.js';
import { configMaps, nodes, pods } from '../../src/kube/resources.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { folder } from './folder.js';

t.test('objects from a file', async (t) => {
  const text = (image: string) => `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {image: ${image}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: x}}
---
`;
  const open = async (t: Test, path: string) => {
    const control = new AbortController();
    t.teardown(() => control.abort());
    const errors: string[] = [];
    const logger = Object.assign(Object.create(silentLogger), {
      error: (_fields: object, message: string) => errors.push(message),
    });
    return { errors, file: await openObjectFile(path, { signal: control.signal, logger, pollEvery: 10 }) };
  };

  t.test('are found by kind; a namespaced one without namespace is in default', async (t) => {
    const path = join(await folder(t), 'objects.yaml');
    await writeFile(path, text('one'));
    const { file } = await open(t, path);
    t.ok(file.store(pods).get('default', 'a'));
    t.ok(file.store(nodes).get(undefined, 'n1'));
    t.ok(file.store(configMaps).get('x', 'c'));
    t.equal(file.store(pods), file.store(pods));
    await file.store(pods).synced;
  });

  t.test('follow the file, also when a link above it is turned as mounted ConfigMaps are', async (t) => {
    const path = await folder(t);
    for (const [name, image] of [
      ['v1', 'one'],
      ['v2', 'two'],
    ] as const) {
      await mkdir(join(path, name));
      await writeFile(join(path, name, 'objects.yaml'), text(image));
    }
    await symlink('v1', join(path, '..data'));
    await symlink('..data/objects.yaml', join(path, 'objects.yaml'));
    const { file } = await open(t, join(path, 'objects.yaml'));
    const store = file.store<RawObject & { spec?: { image: string } }>(pods);
    const changed = new Promise<void>((resolve) => store.subscribe(({ type }) => type === 'updated' && resolve()));
    await symlink('v2', join(path, '..next'));
    await rename(join(path, '..next'), join(path, '..data'));
    await changed;
    t.equal(store.get('default', 'a')?.spec?.image, 'two');
  });

  t.test('keep the last good content when the file becomes bad, and say where', async (t) => {
    const path = join(await folder(t), 'objects.yaml');
    await writeFile(path, text('one'));
    const { file } = await open(t, path);
    const store = file.store(pods);
    await writeFile(path, 'apiVersion: v1\nkind: Pod\nmetadata: {name: [}\n');
    await t.rejects(file.reread(), { code: 'objects-invalid', message: /objects\.yaml:3:\d+: .*correct the file/ });
    await unlink(path);
    await t.rejects(file.reread(), { code: 'objects-unreadable' });
    t.equal(store.list().length, 1);
    const gone = new Promise<void>((resolve) => store.subscribe(({ type }) => type === 'deleted' && resolve()));
    await writeFile(path, '');
    await gone;
  });

  t.test('that are bad at first are refused', async (t) => {
    const path = join(await folder(t), 'objects.yaml');
    await t.rejects(open(t, path), { code: 'objects-unreadable' });
    const bad: [string, RegExp][] = [
      ['just text', /:1:1: a document is not a Kubernetes object/],
      ['kind: Pod', /apiVersion is missing/],
      ['apiVersion: v1', /kind is missing/],
      ['{apiVersion: v1, kind: Pod, metadata: {}}', /metadata\.name is missing/],
    ];
    for (const [content, message] of bad) {
      await writeFile(path, content);
      await t.rejects(open(t, path), { code: 'objects-invalid', message }, content);
    }
  });
});
