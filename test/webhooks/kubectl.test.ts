/** What people do with kubectl while admission works: apply, diff, edit, scale; on a real API server. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { RawObject } from '../../src/kube/client.js';
import { crds } from '../../src/kube/resources.js';
import { kthenaModelServingCrd } from '../build/kthena-crd.js';
import { needsControlPlane, startAdmission, startApiServer } from './admission.js';

const samples = [
  'gpu/modelserving',
  'gpu/modelserver',
  'gpu/modelroute',
  'npu/modelserving',
  'npu/modelserver',
  'npu/modelroute',
  'terse-gpu',
  'terse-gpu-route',
  'terse-npu',
  'terse-npu-route',
].map((name) => `config/samples/${name}.yaml`);

t.setTimeout(300_000);
t.test('kubectl on a real API server', needsControlPlane, async (t) => {
  const api = await startApiServer(t);
  const { plane, client, kubectl } = api;
  await startAdmission(t, api);

  await t.test('every sample: dry run, apply, apply again, server-side apply, diff', async (t) => {
    for (const file of samples) {
      t.equal((await kubectl(`apply --dry-run=server -f ${file}`)).code, 0, `dry run of ${file}`);
      const first = await kubectl(`apply -f ${file}`);
      t.equal(first.code, 0, first.stderr);
      t.match((await kubectl(`apply -f ${file}`)).stdout, /unchanged|configured/, 'again');
      const generations = async () => (await kubectl(`get -f ${file} -o jsonpath={..metadata.generation}`)).stdout;
      const before = await generations();
      for (const how of ['--server-side --force-conflicts ', '']) {
        const again = await kubectl(`apply ${how}-f ${file}`);
        t.equal(again.code, 0, again.stderr);
        const { code, stdout, stderr } = await kubectl(`diff ${how}-f ${file}`);
        t.equal(code, 0, `diff ${how}-f ${file} ${stdout}${stderr}`);
      }
      t.equal(await generations(), before, `${file} keeps its generation`);
    }
  });

  await t.test('edit and scale', async (t) => {
    const editor = join(plane.folder, 'editor.sh');
    await writeFile(
      editor,
      '#!/bin/sh\nsed -i "s/restartGracePeriodSeconds: .*/restartGracePeriodSeconds: 90/" "$1"\n',
      {
        mode: 0o755,
      },
    );
    const edited = await kubectl('edit modelserving vllm-qwen-06b', undefined, { KUBE_EDITOR: editor, TERM: 'dumb' });
    t.equal(edited.code, 0, edited.stderr);
    const field = '-o jsonpath={.spec.template.restartGracePeriodSeconds}';
    t.equal((await kubectl(`get modelserving vllm-qwen-06b ${field}`)).stdout, '90');
    // kubectl opens the editor a second time, with the reason as a comment on top.
    const seen = join(plane.folder, 'seen');
    const script = `#!/bin/sh\ncat "$1" >> ${seen}\nsed -i "s/^  replicas: 1/  replicas: -1/" "$1"\n`;
    await writeFile(editor, script, { mode: 0o755 });
    const wrong = await kubectl('edit modelserving vllm-qwen-06b', undefined, { KUBE_EDITOR: editor, TERM: 'dumb' });
    t.equal(wrong.code, 1);
    t.match(await readFile(seen, 'utf8'), /^# .*spec\.replicas: .*must not be negative/m);
    t.equal((await kubectl('scale modelserving vllm-qwen-06b --replicas=4')).code, 0);
    t.equal((await kubectl('get modelserving vllm-qwen-06b -o jsonpath={.spec.replicas}')).stdout, '4');
    t.equal((await kubectl('scale modelserving vllm-qwen-06b --replicas=4 --dry-run=server')).code, 0);
  });

  await t.test("with Kthena's own CRD the document that it refuses is accepted", async (t) => {
    const own = await client.get(crds, { name: 'modelservings.workload.serving.volcano.sh' });
    const { metadata, ...kthena } = kthenaModelServingCrd() as unknown as RawObject;
    const { resourceVersion = '' } = own.metadata;
    await client.update(crds, { ...kthena, metadata: { ...metadata, resourceVersion } } as RawObject);
    const npu = await readFile('config/samples/npu/modelserving.yaml', 'utf8');
    const { code, stderr } = await kubectl('apply -f -', npu.replaceAll('deepseek-v2-lite', 'by-kthena'));
    t.equal(code, 0, stderr);
    for (const file of ['gpu/modelserving', 'terse-gpu', 'terse-npu']) {
      const again = await kubectl(`apply -f config/samples/${file}.yaml`);
      t.equal(again.code, 0, again.stderr);
    }
    const workers = '-o jsonpath={.spec.template.roles[*].workerReplicas}';
    t.equal((await kubectl(`get modelserving by-kthena -n dev ${workers}`)).stdout, '0 0');
  });
});
