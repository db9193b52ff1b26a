import t from 'tap';
import { customResourceDefinitions } from '../../src/api/crd.js';
import { modelServings } from '../../src/api/resources.js';
import { systemClock } from '../../src/base/clock.js';
import { profileHistoryInCluster, revisionInCluster } from '../../src/cli/profile-history.js';
import type { RawObject } from '../../src/kube/client.js';
import { connectCluster } from '../../src/kube/http-client.js';
import { loadConnection } from '../../src/kube/kubeconfig.js';
import { configMaps, crds } from '../../src/kube/resources.js';
import { startApiServer } from '../../src/lab/apiserver/server.js';
import { loadProfiles, profilesAsText, startProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { run } from '../e2e/kubectl.js';

t.test('revisions in the cluster', async (t) => {
  const end = new AbortController();
  const server = await startApiServer(
    { host: '127.0.0.1', port: 0, logger: silentLogger, clock: systemClock },
    end.signal,
  );
  t.teardown(() => server.stop());
  await server.ready;
  const file = `${t.testdir({ kubeconfig: server.kubeconfig() })}/kubeconfig`;
  const client = connectCluster(await loadConnection({ file, env: {} }), { signal: end.signal, userAgent: 'test' });
  t.teardown(() => client[Symbol.asyncDispose]());
  const history = profileHistoryInCluster(client, 'default');
  const start = async () => {
    const problems: unknown[] = [];
    const onProblem = (error: unknown) => void problems.push(error);
    await using live = await startProfiles({ history, onProblem }, end.signal);
    t.same(problems, []);
    return live.current();
  };
  const profiles = await loadProfiles();

  await t.test('are kept once, whoever keeps them first', async (t) => {
    await start();
    await start();
    const { items } = await client.list(configMaps, {
      namespace: 'default',
      labelSelector: 'tandem.dev/profile-revision',
    });
    t.match(items, [{ metadata: { name: `tandem-profiles-${profiles.revision}` }, immutable: true }]);
    t.equal(items.length, 1);
  });
  await t.test('are there after a restart with other profiles', async (t) => {
    const older = {
      ...profiles,
      revision: '0',
      connectors: profiles.connectors.map((one) => ({ ...one, title: 'then' })),
    };
    await history.keep({ revision: '000000000000', text: profilesAsText(older) });
    const { earlier } = await start();
    t.equal(earlier?.size, 1);
    t.ok([...(earlier?.values() ?? [])][0]?.connectors.every(({ title }) => title === 'then'));
  });
  await t.test('are what explain reads a pinned serving by', async (t) => {
    const problems: unknown[] = [];
    const found = async (revision: string) => revisionInCluster(client, revision, (error) => problems.push(error));
    t.equal((await found('000000000000'))?.connectors[0]?.title, 'then');
    t.equal(await found('111111111111'), undefined);
    t.same(problems, []);
    const annotations = { 'tandem.dev/profiles': 'nixl,nvidia,vllm@000000000000' };
    const serving = {
      apiVersion: 'workload.serving.volcano.sh/v1alpha1',
      kind: 'ModelServing',
      metadata: { name: 'pinned', namespace: 'default', annotations },
      spec: {
        template: {
          roles: [
            {
              name: 'chat',
              workerReplicas: 0,
              entryTemplate: { spec: { containers: [{ name: 'e', image: 'vllm/vllm-openai:v0.14.0', args: ['m'] }] } },
            },
          ],
        },
      },
    };
    for (const crd of customResourceDefinitions) await client.create(crds, crd as unknown as RawObject);
    await client.create(modelServings, serving, { namespace: 'default' });
    const explain = await run(process.execPath, ['dist/src/cli/main.js', 'explain', 'pinned', '--kubeconfig', file]);
    t.equal(explain.code, 0, explain.stderr);
    t.notMatch(explain.stderr, 'is not known here');
    t.match(explain.stdout, /fields added/);
  });
  await t.test('are read back as text, newest first', async (t) => {
    const [newest] = await history.read(1);
    t.match(newest, { revision: /^[0-9a-f]{12}$/, text: /"kind":"accelerator"/ });
  });
});
