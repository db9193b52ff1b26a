/** The files that make schedulers ask the extender. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';

t.test('what config/ hands to schedulers', async (t) => {
  const file = (path: string) => readFile(new URL(`../../../config/${path}`, import.meta.url), 'utf8');
  type Extender = Record<string, unknown>;
  const scheduler = parse(await file('scheduler/kube-scheduler.yaml')) as {
    percentageOfNodesToScore: number;
    extenders: Extender[];
  };
  t.equal(scheduler.percentageOfNodesToScore, 100, 'else the node of the peer may not be offered');
  t.strictSame(scheduler.extenders, [
    {
      urlPrefix: 'http://127.0.0.1:9600',
      prioritizeVerb: 'prioritize',
      weight: 20,
      nodeCacheCapable: true,
      httpTimeout: '500ms',
      ignorable: true,
    },
  ]);
  t.match(await file('extender/daemonset.yaml'), '127.0.0.1:9600', 'the address that the DaemonSet listens on');
  type Conf = { tiers: { plugins: { name: string; arguments?: Record<string, unknown> }[] }[] };
  const volcano = parse(await file('scheduler/volcano-scheduler.conf')) as Conf;
  const given =
    volcano.tiers.flatMap(({ plugins }) => plugins).find(({ name }) => name === 'extender')?.arguments ?? {};
  t.strictSame(
    Object.keys(given).filter((key) => key.endsWith('Verb')),
    ['extender.prioritizeVerb'],
    'no other verb',
  );
  t.equal(given['extender.ignorable'], true);
  const managed = given['extender.managedResources'] as string[];
  const profiles = ['nvidia', 'amd', 'ascend910', 'ascend-1980', 'ascend310p'];
  for (const name of profiles) {
    const { resources } = parse(await file(`profiles/accelerator-${name}.yaml`)) as { resources: string[] };
    for (const resource of resources) t.ok(managed.includes(resource), `${resource} is managed`);
  }
  const rights = parseAllDocuments(await file('rbac/extender.yaml')).map(
    (document) => document.toJS() as { kind: string; rules?: { verbs: string[] }[] },
  );
  const verbs = rights.flatMap(({ rules = [] }) => rules.flatMap((rule) => rule.verbs));
  t.strictSame(new Set(verbs), new Set(['get', 'list', 'watch']), 'the extender writes nothing');
});
