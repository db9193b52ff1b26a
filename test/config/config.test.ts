/** What `config/` ships: accepted by a real API server, and in step with the command line. */
import { relative } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { locateControlPlane, missingControlPlane } from '../control-plane/locate.js';
import { startControlPlane } from '../control-plane/start.js';
import { findKubectl, run } from '../e2e/kubectl.js';

const kubectl = findKubectl();
const skip = kubectl ? false : 'no kubectl; `make control-plane` builds one';

interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { readonly args?: readonly string[] }[] } };
  };
}

t.test('the processes are started with flags that they have', { skip }, async (t) => {
  const { stdout } = await run(kubectl ?? '', ['kustomize', 'config/default']);
  const objects = parseAllDocuments(stdout).map((document) => document.toJS() as Workload);
  const workloads = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet');
  t.same(workloads.map(({ metadata }) => metadata.name).sort(), [
    'tandem-controller',
    'tandem-extender',
    'tandem-router',
    'tandem-webhook',
  ]);
  for (const { metadata, spec } of workloads) {
    const [command = '', ...args] = spec.template.spec.containers[0]?.args ?? [];
    const help = await run(process.execPath, ['dist/src/cli/main.js', command, '--help']);
    t.equal(help.code, 0, `${metadata.name} runs \`tandem ${command}\``);
    for (const flag of args.filter((word) => word.startsWith('--'))) {
      t.match(help.stdout, new RegExp(` ${flag}[ ,]`), `${metadata.name} knows ${flag}`);
    }
  }
});

t.test('cert-manager is a component that keeps flags and mounts in step', { skip }, async (t) => {
  const overlay = t.testdir({
    'kustomization.yaml': `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [${relative(t.testdirName, 'config/default')}]
components: [${relative(t.testdirName, 'config/webhook/cert-manager')}]
`,
  });
  const { code, stdout, stderr } = await run(kubectl ?? '', ['kustomize', overlay]);
  t.equal(code, 0, stderr);
  const objects = parseAllDocuments(stdout).map((document) => document.toJS() as Workload);
  t.same(objects.filter(({ kind }) => kind === 'Issuer' || kind === 'Certificate').length, 4);
  const webhook = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'tandem-webhook');
  const { containers, volumes } = (webhook?.spec.template.spec ?? { containers: [], volumes: [] }) as unknown as {
    containers: { args: string[]; volumeMounts: { name: string; mountPath: string }[] }[];
    volumes: { name: string; secret: { secretName: string } }[];
  };
  t.ok(containers[0]?.args.includes('--cert-dir=/certificate'));
  t.ok(containers[0]?.args.includes('--inject-ca-from=tandem-system/tandem-webhook'));
  t.match(containers[0]?.volumeMounts, [{ name: 'certificate', mountPath: '/certificate' }]);
  t.match(volumes, [{ name: 'certificate', secret: { secretName: 'tandem-webhook-tls' } }]);
  const help = await run(process.execPath, ['dist/src/cli/main.js', 'webhook', '--help']);
  for (const flag of ['--cert-dir', '--inject-ca-from']) t.match(help.stdout, new RegExp(` ${flag} `), flag);
});

const withoutPlane = skip || (locateControlPlane() ? false : missingControlPlane);

t.test('a real API server accepts all of it', { skip: withoutPlane, timeout: 120_000 }, async (t) => {
  const plane = await startControlPlane();
  if (!plane) throw new Error(missingControlPlane);
  t.teardown(() => plane.stop());
  const apply = (...args: string[]) =>
    run(kubectl ?? '', ['apply', ...args], { env: { KUBECONFIG: plane.kubeconfig } });
  for (const args of [
    ['-k', 'config/crd'],
    ['-f', 'config/default/namespace.yaml'],
    ['-k', 'config/default'],
  ]) {
    const { code, stderr } = await apply('--validate=strict', ...args);
    t.equal(code, 0, `kubectl apply ${args.join(' ')} ${stderr}`);
  }
});
