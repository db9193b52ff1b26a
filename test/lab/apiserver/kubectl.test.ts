/** The real kubectl against the lab's API server: what a person types, and what they see. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startApiServer } from '../../../src/lab/apiserver/server.js';
import { silentLogger } from '../../../src/telemetry/log.js';
import { locateControlPlane, missingControlPlane } from '../../control-plane/locate.js';
import { Api } from './api.js';

const program = locateControlPlane()?.kubectl;
const skip = program === undefined ? `no kubectl: ${missingControlPlane}` : false;
const root = new URL('../../../../', import.meta.url).pathname;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

t.test('kubectl', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-kubectl-'));
  const server = await startApiServer(
    { host: '127.0.0.1', port: 0, logger: silentLogger, clock: { now: () => Date.now() } },
    new AbortController().signal,
  );
  const api = new Api(server.connection);
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, server.kubeconfig());
  t.teardown(async () => {
    await api[Symbol.asyncDispose]();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const start = (args: string, input?: string, env: Record<string, string> = {}) => {
    const child = spawn(program ?? 'kubectl', [`--cache-dir=${folder}/cache`, ...args.split(' ')], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, KUBECONFIG: kubeconfig, ...env },
      cwd: root,
    });
    child.stdin.end(input);
    return child;
  };
  const kubectl = (args: string, input?: string, env: Record<string, string> = {}): Promise<Ran> =>
    new Promise((resolve, reject) => {
      const child = start(args, input, env);
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk;
      });
      child.stderr.on('data', (chunk: Buffer) => {
        err += chunk;
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? 1, out, err }));
    });

  const pod = (name: string, image = 'engine:1') =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: name } },
      spec: { containers: [{ name: 'c', image, ports: [{ containerPort: 8000 }] }] },
    });

  await t.test('applies our definitions and both documents', async (t) => {
    const crds = await kubectl(
      'apply -f config/crd/modelservings.workload.serving.volcano.sh.yaml -f config/crd/modelservers.networking.serving.volcano.sh.yaml -f config/crd/modelroutes.networking.serving.volcano.sh.yaml',
    );
    t.equal(crds.code, 0, crds.err);
    t.equal((await kubectl('wait --for=condition=Established crd --all --timeout=10s')).code, 0);
    // The NPU document lives in a namespace of its own, which its reader makes first.
    await api.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'dev' } } });
    for (const sample of ['gpu', 'npu']) {
      const { code, out, err } = await kubectl(`apply -f config/samples/${sample}`);
      t.equal(code, 0, err);
      t.match(out, /modelserving\.workload\.serving\.volcano\.sh\/\S+ created/);
    }
    t.match((await kubectl('apply -f config/samples/gpu/modelserver.yaml')).out, /unchanged/);
    const { out } = await kubectl('get modelservings');
    t.match(out, /^NAME +REPLICAS +/);
  });

  await t.test('applies by server-side apply, and again without a change', async (t) => {
    t.match((await kubectl('apply --server-side -f -', pod('ssa'))).out, /pod\/ssa serverside-applied/);
    const before = await kubectl('get pod ssa -o jsonpath={.metadata.resourceVersion}');
    await kubectl('apply --server-side -f -', pod('ssa'));
    t.equal((await kubectl('get pod ssa -o jsonpath={.metadata.resourceVersion}')).out, before.out);
    const other = await kubectl('apply --server-side --field-manager=other -f -', pod('ssa', 'engine:2'));
    t.equal(other.code, 1);
    t.match(other.err, /conflict with "kubectl": \.spec\.containers\[name="c"\]\.image/);
    t.equal(
      (await kubectl('apply --server-side --force-conflicts --field-manager=other -f -', pod('ssa', 'engine:2'))).code,
      0,
    );
  });

  await t.test('takes an object from client-side to server-side apply', async (t) => {
    await kubectl('apply -f -', pod('move'));
    const { code, out, err } = await kubectl('apply --server-side -f -', pod('move'));
    t.equal(code, 0, err);
    t.match(out, /serverside-applied/);
  });

  await t.test('shows differences', async (t) => {
    const { code, out } = await kubectl('diff -f -', pod('ssa', 'engine:3'));
    t.equal(code, 1);
    t.match(out, /\+ +- image: engine:3|\+ {2}- image: engine:3|\+.*engine:3/);
    t.equal((await kubectl('diff -f config/samples/gpu/modelserver.yaml')).code, 0);
  });

  await t.test('gets as a wide table, as YAML and as a watch', async (t) => {
    t.match(
      (await kubectl('get pods -owide')).out,
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\n/,
    );
    t.match((await kubectl('get pod ssa -o yaml')).out, /dnsPolicy: ClusterFirst\n/);
    const watching = start('get pods -l app=watched -w');
    let text = '';
    const seen = new Promise<void>((resolve) => {
      watching.stdout.on('data', (chunk: Buffer) => {
        text += chunk;
        if (/^watched .*Running/m.test(text)) resolve();
      });
    });
    await kubectl('apply -f -', pod('watched'));
    await api.ask('PATCH', '/api/v1/namespaces/default/pods/watched/status', {
      type: 'application/merge-patch+json',
      body: {
        status: {
          phase: 'Running',
          containerStatuses: [
            { name: 'c', ready: true, restartCount: 0, image: 'x', imageID: '', state: { running: {} } },
          ],
        },
      },
    });
    await seen;
    const ended = new Promise((resolve) => watching.once('close', resolve));
    watching.kill();
    await ended;
    t.match(text, /^NAME +READY/);
  });

  await t.test('describes a pod with its events', async (t) => {
    const { body } = await api.ask('GET', '/api/v1/namespaces/default/pods/ssa');
    await api.ask('POST', '/api/v1/namespaces/default/events', {
      body: {
        metadata: { name: 'ssa.1' },
        involvedObject: { apiVersion: 'v1', kind: 'Pod', name: 'ssa', namespace: 'default', uid: body.metadata.uid },
        reason: 'Scheduled',
        message: 'assigned to a node',
        type: 'Normal',
        source: { component: 'scheduler' },
        count: 1,
        firstTimestamp: new Date().toISOString(),
        lastTimestamp: new Date().toISOString(),
      },
    });
    const { code, out } = await kubectl('describe pod ssa');
    t.equal(code, 0);
    t.match(out, /Image: +engine:2/);
    t.match(out, /Scheduled.*scheduler +assigned to a node/);
    t.match((await kubectl('get events')).out, /LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n.*Scheduled +pod\/ssa/);
    t.match((await kubectl('events --for pod/ssa')).out, /Scheduled/);
  });

  await t.test('edits', async (t) => {
    const editor = join(folder, 'editor.sh');
    await writeFile(editor, '#!/bin/sh\nsed -i "s/replicas: 1$/replicas: 2/" "$1"\n');
    await chmod(editor, 0o755);
    const { code, out, err } = await kubectl('edit modelserving vllm-qwen-06b', undefined, { KUBE_EDITOR: editor });
    t.equal(code, 0, err);
    t.match(out, /edited/);
  });

  await t.test('scales, patches, labels and annotates', async (t) => {
    t.match((await kubectl('scale modelserving vllm-qwen-06b --replicas=3')).out, /scaled/);
    t.equal((await kubectl('get modelserving vllm-qwen-06b -o jsonpath={.spec.replicas}')).out, '3');
    const bad = await kubectl('patch modelserving vllm-qwen-06b --type=merge -p {"spec":{"replicas":"x"}}');
    t.equal(bad.code, 1);
    t.match(bad.err, /spec\.replicas: Invalid value: "string": spec\.replicas in body must be of type integer/);
    t.match((await kubectl('patch pod ssa -p {"metadata":{"labels":{"a":"b"}}}')).out, /patched/);
    t.match((await kubectl('label pod ssa a=c --overwrite')).out, /labeled/);
    t.match((await kubectl('annotate pod ssa note=x')).out, /annotated/);
    t.match((await kubectl('get pods -l a=c -o name')).out, /^pod\/ssa\n$/);
  });

  await t.test('warns about a field that nobody knows, or refuses it', async (t) => {
    const text = pod('unknown').replace('"spec":{', '"spec":{"nope":1,');
    t.match((await kubectl('apply -f -', text)).err, /strict decoding error: unknown field "spec\.nope"/);
    const warned = await kubectl('apply --validate=warn -f -', text);
    t.equal(warned.code, 0);
    t.match(warned.err, /Warning: unknown field "spec\.nope"/);
  });

  await t.test('explains, lists kinds and asks about itself', async (t) => {
    t.match((await kubectl('explain pod.spec.containers.readinessProbe')).out, /periodSeconds\t<integer>/);
    t.match((await kubectl('explain modelserving.spec.template.roles')).out, /entryTemplate\t<Object> -required-/);
    t.match(
      (await kubectl('api-resources')).out,
      /modelservings +workload\.serving\.volcano\.sh\/v1alpha1 +true +ModelServing|modelservings .*ModelServing/,
    );
    t.match((await kubectl('version')).out, /Server Version: v1\.36\.3/);
    t.match((await kubectl('auth can-i create pods')).out, /yes/);
    t.match((await kubectl('auth whoami')).out, /lab-admin/);
    t.match((await kubectl('create namespace made')).out, /namespace\/made created/);
  });

  await t.test('deletes with each kind of cascade', async (t) => {
    const own = async (name: string) => {
      const { body } = await api.ask('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name } } });
      await api.ask('POST', '/api/v1/namespaces/default/configmaps', {
        body: {
          metadata: {
            name: `${name}-child`,
            ownerReferences: [
              { apiVersion: 'v1', kind: 'ConfigMap', name, uid: body.metadata.uid, blockOwnerDeletion: true },
            ],
          },
        },
      });
    };
    for (const cascade of ['background', 'foreground', 'orphan']) {
      await own(cascade);
      t.match((await kubectl(`delete configmap ${cascade} --cascade=${cascade}`)).out, /deleted/);
      const left = await kubectl(`get configmap ${cascade}-child -o name --ignore-not-found`);
      if (cascade === 'orphan') t.match(left.out, /orphan-child/);
      else t.equal((await kubectl(`wait --for=delete configmap/${cascade}-child --timeout=10s`)).code, 0);
    }
    t.match((await kubectl('delete pod ssa watched --now')).out, /"ssa" deleted/);
    t.match((await kubectl('delete modelserving,modelserver,modelroute --all')).out, /deleted/);
    t.equal((await kubectl('delete namespace made --timeout=10s')).code, 0);
    const crd = await kubectl('delete crd modelroutes.networking.serving.volcano.sh');
    t.equal(crd.code, 0);
    t.match(
      (await kubectl('get modelroutes')).err,
      /could not find the requested resource|doesn't have a resource type/,
    );
  });
});
