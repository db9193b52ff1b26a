/** Numbers and texts that nobody means cost admission no more than those that somebody does. */
import t from 'tap';
import type { Container } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { nothingKnown } from '../../../src/core/checks/context.js';
import { reviewServing } from '../../../src/core/checks/review.js';
import { expandServing, servingAsRun } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { expanded, gpus } from './hand-written-engine.js';
import { settingsOf, terseOf } from './recipe.js';
import { recipes } from './recipe-table.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();
const empty = (name: string) => `- {name: ${name}, entryTemplate: {}}\n`;
const pair = empty('prefill') + empty('decode');
const enginesOf = (serving: ModelServing): readonly Container[] =>
  serving.spec.template.roles.flatMap(({ entryTemplate }) => entryTemplate?.spec?.containers ?? []);

t.test('a port for each of more ranks than memory holds', async (t) => {
  const serving = servingOf(pair, {
    'tandem.dev/model': 'a/b',
    'tandem.dev/connector': 'lmcache-pd',
    'tandem.dev/accelerator': 'nvidia',
    'tandem.dev/engine-args': '--tensor-parallel-size 999999999',
  });
  const { object, problems } = expandServing(serving, profiles, settings);
  t.same(problems, []);
  const env = enginesOf(object).flatMap(({ env = [] }) => env);
  const lists = env.flatMap(({ value = '' }) => (/^\d+(,\d+)+$/.test(value) ? [value.split(',').length] : []));
  t.ok(lists.length > 0);
  t.ok(lists.every((length) => length === 64));
});

t.test('more roles than the API takes are left to its refusal', async (t) => {
  const annotations = { 'tandem.dev/model': 'a/b', 'tandem.dev/accelerator': 'nvidia' };
  const of = (count: number) => {
    const { spec, ...rest } = servingOf('[]', annotations);
    const roles = Array.from({ length: count }, (_, index) => ({ name: `prefill-${index}`, entryTemplate: {} }));
    return { ...rest, spec: { ...spec, template: { roles } } };
  };
  t.ok(expandServing(of(4), profiles, settings).patch.length > 0);
  for (const mode of ['template', 'pods'])
    for (const count of [5, 50_000]) {
      const serving = of(count);
      Object.assign(serving.metadata.annotations ?? {}, { 'tandem.dev/expand': mode });
      t.match(expandServing(serving, profiles, settings), { patch: [], reasons: [], problems: [] });
      t.equal(servingAsRun(serving, profiles, settings), serving);
    }
});

t.test('a note that is longer than any of ours is somebody else’s text', async (t) => {
  const serving = servingOf(pair, { 'tandem.dev/model': 'a/b', 'tandem.dev/accelerator': 'nvidia' });
  const notes = [
    JSON.stringify({ prefill: { vllm: [`a[${'x,'.repeat(500_000)}x]`] }, decode: { vllm: ['containers[vllm]'] } }),
    JSON.stringify({ prefill: { vllm: ['containers[vllm]', '['.repeat(1_000_000)] } }),
  ];
  for (const note of notes) {
    const { object } = expandServing(serving, profiles, settings);
    Object.assign(object.metadata.annotations ?? {}, { 'tandem.dev/expanded': note });
    t.same(
      reviewServing(object, { profiles, settings }, nothingKnown).filter(({ code }) => code === 'TND-118'),
      [],
    );
    const again = structuredClone(serving);
    Object.assign(again.metadata.annotations ?? {}, { 'tandem.dev/expanded': note });
    t.ok(
      (expandServing(again, profiles, settings).object.metadata.annotations?.['tandem.dev/expanded'] ?? '').length <
        4_001,
    );
  }
});

t.test('more arguments than a command line has', async (t) => {
  const serving = servingOf(pair, { 'tandem.dev/model': 'a/b', 'tandem.dev/engine-args': '-a '.repeat(1_000_000) });
  const { object, problems } = expandServing(serving, profiles, settings);
  t.match(problems, [
    {
      path: 'metadata.annotations["tandem.dev/engine-args"]',
      saw: '3000000 characters',
      want: 'at most 8192 characters',
    },
  ]);
  t.same(enginesOf(object), []);
});

t.test('more devices than there are numbers for', async (t) => {
  for (const count of ['1e999', '9e99', -1, '-1e999']) t.doesNotThrow(() => expanded({ args: ['m'], ...gpus(count) }));
  const huge = servingOf(pair, {
    'tandem.dev/model': 'a/b',
    'tandem.dev/accelerator': 'nvidia',
    'tandem.dev/engine-args': '-tp 1e999 -dp 9e99',
  });
  for (const { resources } of enginesOf(expandServing(huge, profiles, settings).object)) {
    t.match(resources?.limits?.['nvidia.com/gpu'], /^\d{1,4}$/);
  }
});

t.test('objects that a text cannot be made of', async (t) => {
  const odd = { toString: 1, valueOf: 1 };
  t.doesNotThrow(() => expanded({ args: ['m', odd] }), 'in a list');
  for (const [name, recipe] of Object.entries(recipes)) {
    const { object } = expandServing(terseOf(recipe), profiles, settingsOf(recipe));
    for (const edit of editsOf(JSON.stringify(object.spec), odd)) {
      const spec = JSON.parse(edit) as ModelServing['spec'];
      t.doesNotThrow(() => reviewServing({ ...object, spec }, { profiles, settings }, nothingKnown), name);
    }
  }
});

/** The spec with each value of every KV-transfer configuration in turn replaced. */
function editsOf(spec: string, value: object): string[] {
  const configs = [...new Set([...spec.matchAll(/"(\{\\"kv_connector.*?\})"[,\]]/g)].map(([, text = '']) => text))];
  return configs.flatMap((text) => {
    const config = JSON.parse(JSON.parse(`"${text}"`) as string) as object;
    return replacements(config, value).map((other) =>
      spec.replaceAll(text, JSON.stringify(JSON.stringify(other)).slice(1, -1)),
    );
  });
}

function replacements(at: unknown, value: object): unknown[] {
  if (typeof at !== 'object' || at === null) return [value];
  return Object.entries(at).flatMap(([key, member]) =>
    [value, ...replacements(member, value)].map((other) =>
      Array.isArray(at) ? at.map((one, index) => (String(index) === key ? other : one)) : { ...at, [key]: other },
    ),
  );
}
