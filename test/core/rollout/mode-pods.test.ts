/** In mode `pods` what expansion reads belongs to the revision, whatever the templates say. */
import t from 'tap';
import { servingAt } from '../../../src/core/rollout/expansion-inputs.js';
import { created, deleted, role, running, type SmallCluster, serving } from './small-cluster.js';

const pin = (revision: string) => ({ 'tandem.dev/profiles': `nixl,vllm@${revision}` });
const pods = { 'tandem.dev/expand': 'pods', 'tandem.dev/model': 'a/b', ...pin('1') };

function clusterOf(annotations: Record<string, string>, spec: object = {}): SmallCluster {
  const given = serving({ roles: [role('prefill')], ...spec });
  return running({ ...given, metadata: { ...given.metadata, annotations } });
}
function annotate(cluster: SmallCluster, annotations: Record<string, string>): void {
  const { metadata } = cluster.serving;
  cluster.serving = { ...cluster.serving, metadata: { ...metadata, annotations } };
}

t.test('what decides what pods become rolls them', async (t) => {
  const rows: readonly (readonly [string, Record<string, string>, boolean])[] = [
    ['a new pin', { ...pods, ...pin('2') }, true],
    ['another model', { ...pods, 'tandem.dev/model': 'c/d' }, true],
    ['other arguments', { ...pods, 'tandem.dev/engine-args': '--x' }, true],
    ['another store', { ...pods, 'tandem.dev/store': 'x:1' }, true],
    ['the same', { ...pods }, false],
    ['what only checks read', { ...pods, 'tandem.dev/skip-checks': 'TND-001', mine: 'x' }, false],
  ];
  for (const type of ['ServingGroupRollingUpdate', 'RoleRollingUpdate'] as const) {
    for (const [title, annotations, rolls] of rows) {
      const cluster = clusterOf(pods, { rolloutStrategy: { type } });
      annotate(cluster, annotations);
      t.same(deleted(cluster), rolls ? ['s-0-prefill-0-0 outdated'] : [], `${title}, ${type}`);
      cluster.converge();
      t.equal(cluster.revisions.size, 1);
      t.same(deleted(cluster), [], 'once');
    }
  }
});

t.test('in the other modes the templates say it all', async (t) => {
  for (const mode of ['template', 'off']) {
    const cluster = clusterOf({ ...pods, 'tandem.dev/expand': mode });
    annotate(cluster, { ...pods, ...pin('2'), 'tandem.dev/expand': mode });
    t.same(deleted(cluster), [], mode);
    t.same([...cluster.revisions.values()][0]?.metadata.annotations, undefined);
  }
});

t.test('a revision that says nothing of it is taken over, and then it does', async (t) => {
  const cluster = clusterOf({});
  const uid = cluster.uid('s-0-prefill-0-0');
  annotate(cluster, pods);
  t.same(deleted(cluster), []);
  cluster.converge();
  t.equal(cluster.uid('s-0-prefill-0-0'), uid, 'nothing is restarted');
  t.match([...cluster.revisions.values()][0]?.metadata.annotations, pods);
  cluster.vanish('s-0-prefill-0-0');
  t.same(created(cluster), ['0/prefill-0/0']);
  cluster.converge();
  t.same(deleted(cluster), []);
  annotate(cluster, { ...pods, ...pin('2') });
  t.same(deleted(cluster), ['s-0-prefill-0-0 outdated']);
});

t.test('the serving as it was for an earlier revision', async (t) => {
  const cluster = clusterOf({ ...pods, 'tandem.dev/engine-args': '--old' });
  const [then = { metadata: {} }] = cluster.revisions.values();
  annotate(cluster, { ...pods, ...pin('2'), 'tandem.dev/store': 'new:1', mine: 'x' });
  cluster.setImage('v2');
  const was = servingAt(cluster.serving, then);
  t.same(was.metadata.annotations, { ...pods, 'tandem.dev/engine-args': '--old', mine: 'x' });
  t.equal(was.spec.template.roles[0]?.entryTemplate?.spec?.containers[0]?.image, 'v1');
  const silent = servingAt(cluster.serving, { ...then, metadata: { name: 'x' }, data: [role('prefill')] });
  t.same(silent.metadata.annotations, cluster.serving.metadata.annotations, 'where nothing is recorded');
  t.same(servingAt(cluster.serving, { metadata: {} }).spec, cluster.serving.spec);
});
