/** What admission could not know when an object came, told by Events of the whole process. */
import t from 'tap';
import { modelRoutes, modelServers, modelServings } from '../../src/api/resources.js';
import type { RawObject } from '../../src/kube/client.js';
import { events } from '../../src/kube/resources.js';
import { eventually, gpuServing, startCluster, yaml } from './lab-cluster.js';

interface SaidEvent extends RawObject {
  readonly involvedObject: { readonly kind: string };
  readonly reason: string;
  readonly message: string;
}

t.test('what admission could not know is told by one Event when it can be known, whatever came first', async (t) => {
  const { client, start } = await startCluster(t);
  await Promise.all([start({ settle: 20 }), start({ settle: 20 })]);
  const where = { namespace: 'default' };
  const server = await yaml('config/samples/gpu/modelserver.yaml');
  const route = await yaml('config/samples/gpu/modelroute.yaml');
  const about = async (kind: string) => {
    const { items } = await client.list<SaidEvent>(events, where);
    return items
      .filter(({ involvedObject }) => involvedObject.kind === kind)
      .map(({ reason, message }) => `${reason} ${message.slice(0, 7)}`)
      .sort();
  };
  await client.create(modelRoutes, route, where);
  await eventually(
    t,
    'the route has no target',
    async () => (await about('ModelRoute')).join() === 'CheckFailed TND-214',
  );
  const moved = { ...server, spec: { ...(server as unknown as { spec: object }).spec, workloadPort: { port: 9000 } } };
  await client.create(modelServers, moved, where);
  await eventually(t, 'the route has its target', async () =>
    (await about('ModelRoute')).includes('CheckPassed TND-214'),
  );
  await eventually(
    t,
    'the server has no pods',
    async () => (await about('ModelServer')).join() === 'CheckFailed TND-209',
  );
  await client.create(modelServings, gpuServing, where);
  await eventually(t, 'the ports differ', async () => {
    const [onServer, onServing] = [await about('ModelServer'), await about('ModelServing')];
    return onServer.includes('CheckFailed TND-065') && onServing.includes('CheckFailed TND-065');
  });
  await client.patch(modelServings, { ...where, name: 'vllm-qwen-06b' }, 'merge', {
    metadata: { labels: { team: 'a' } },
  });
  const { metadata } = server as { metadata: { name: string } };
  await client.patch(modelServers, { ...where, name: metadata.name }, 'merge', {
    spec: { workloadPort: { port: 8000 } },
  });
  await eventually(t, 'they agree', async () => (await about('ModelServing')).includes('CheckPassed TND-065'));
  t.strictSame(
    await about('ModelServing'),
    ['CheckFailed TND-065', 'CheckPassed TND-065'],
    'two replicas and a label said nothing twice',
  );
});
