import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse } from 'yaml';
import type { ModelServing } from '../../src/api/types.js';
import { copyJson } from '../../src/base/json.js';
import { expandTemplates, templatesOf } from '../../src/core/expand/serving.js';
import { defaultExpandSettings } from '../../src/core/expand/types.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { KnownExpansions } from '../../webhooks/mutate/known-expansions.js';

const profiles = await loadProfiles();
const settings = defaultExpandSettings;
const document = parse(await readFile('config/samples/npu/modelserving.yaml', 'utf8')) as ModelServing;

/** The document's templates, each time anew as from a review of its own. */
const written = (change: (serving: ModelServing) => void = () => undefined): ModelServing => {
  const copy = copyJson(document);
  change(copy);
  return templatesOf(copy);
};

type Container = { args: string[]; env: { value?: string }[]; image: string };
const engineOf = ({ spec }: ModelServing): Container => {
  const decode = spec.template.roles[1]?.entryTemplate.spec as unknown as { containers?: Container[] } | undefined;
  return decode?.containers?.[0] as Container;
};

const fresh = (templates: ModelServing) => JSON.stringify(expandTemplates(templates, profiles, settings).patch);
const said = (known: KnownExpansions, outcome: string) =>
  Number(new RegExp(`outcome="${outcome}"} (\\d+)`).exec(known.render())?.[1] ?? 0);

const usual = () => {
  const known = new KnownExpansions();
  for (let time = 0; time < 2; time += 1) known.addToTemplates(written(), profiles, settings);
  return known;
};

t.test('a template that comes for the third time gets from memory what it got before', (t) => {
  const known = usual();
  const [first, third] = [
    known.addToTemplates(written(), profiles, settings),
    new KnownExpansions().addToTemplates(written(), profiles, settings),
  ];
  t.equal(said(known, 'known'), 1);
  t.equal(first.ready.json, fresh(written()));
  t.same(first.ready, third.ready);
  t.same(first.injected, third.injected);
  t.same(first.names, third.names);
  t.same(first.profileNames, third.profileNames);
  t.end();
});

t.test('what differs anywhere is not known', (t) => {
  const changes: Readonly<Record<string, (serving: ModelServing) => void>> = {
    'an argument': (serving) => engineOf(serving).args.push('--port', '9000'),
    'the image': (serving) => void Object.assign(engineOf(serving), { image: 'nginx' }),
    'a value far from any command': (serving) => void Object.assign(engineOf(serving).env[0] ?? {}, { value: '2' }),
    'a member more': (serving) => void Object.assign(engineOf(serving), { tty: true }),
    'a member less': (serving) => void Reflect.deleteProperty(engineOf(serving), 'readinessProbe'),
    'the order of members': (serving) => {
      const { env, ...others } = engineOf(serving);
      Reflect.deleteProperty(engineOf(serving), 'env');
      Object.assign(engineOf(serving), others, { env });
    },
    'an annotation of ours': (serving) =>
      void Object.assign(serving.metadata, { annotations: { 'tandem.dev/network': 'rdma/ib' } }),
  };
  for (const [what, change] of Object.entries(changes)) {
    const known = usual();
    t.equal(known.addToTemplates(written(change), profiles, settings).ready.json, fresh(written(change)), what);
    t.equal(said(known, 'known'), 0, what);
  }
  const known = usual();
  known.addToTemplates(written(), { ...profiles, revision: 'other' }, settings);
  known.addToTemplates(written(), profiles, { ...settings, runtimeMounts: false });
  t.equal(said(known, 'known'), 0, 'other profiles or settings');
  t.end();
});

t.test('an annotation of others changes nothing', (t) => {
  const known = usual();
  const annotate = (serving: ModelServing) =>
    void Object.assign(serving.metadata, { name: 'other', annotations: { 'example.com/owner': 'a' } });
  known.addToTemplates(written(annotate), profiles, settings);
  t.equal(said(known, 'known'), 1);
  t.end();
});

t.test('memory is bounded, and what is asked for stays', (t) => {
  const known = usual();
  const seeded = (i: number) => written((serving) => void engineOf(serving).args.push('--seed', String(i)));
  for (let i = 0; i < 300; i += 1) {
    for (let time = 0; time < 2; time += 1) known.addToTemplates(seeded(i), profiles, settings);
    if (i % 10 === 0) known.addToTemplates(written(), profiles, settings);
  }
  t.ok(known.held <= 2_000_000, `${known.held} characters`);
  t.ok(said(known, 'evicted') > 0);
  t.equal(said(known, 'known'), 30);
  t.end();
});

t.test('a command line of a megabyte is expanded, and not kept', (t) => {
  const known = new KnownExpansions();
  const long = (serving: ModelServing) => void engineOf(serving).args.push('x'.repeat(1_000_000));
  for (let time = 0; time < 3; time += 1) known.addToTemplates(written(long), profiles, settings);
  t.equal(said(known, 'too-long'), 3);
  t.equal(known.held, 0);
  t.end();
});

t.test('a huge template drives nothing else out', (t) => {
  const known = usual();
  const huge = (serving: ModelServing) => void Object.assign(engineOf(serving), { stdin: 'x'.repeat(2_500_000) });
  for (let time = 0; time < 3; time += 1) known.addToTemplates(written(huge), profiles, settings);
  known.addToTemplates(written(), profiles, settings);
  t.equal(said(known, 'known'), 1);
  t.equal(said(known, 'evicted'), 0);
  t.end();
});
