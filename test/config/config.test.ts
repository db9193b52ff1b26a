/** What `config/` ships: accepted by a real API server, and in step with the command line. */
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
