/** What was taken out of the terse form's own container is told, and what the user changed is not. */
import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { nothingKnown } from '../../../src/core/checks/context.js';
import { reviewServing } from '../../../src/core/checks/review.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { packagedProfiles, servingOf } from '../expand/samples.js';

const profiles = packagedProfiles();
const roles = '- name: prefill\n  entryTemplate: {}\n- name: decode\n  entryTemplate: {}\n';
const terse = (args: string): ModelServing =>
  servingOf(roles, { 'tandem.dev/model': 'a/b', 'tandem.dev/engine-args': args });
const complete = (serving: ModelServing) => expandServing(serving, profiles, settings).object;
const told = (serving: ModelServing) =>
  reviewServing(serving, { profiles, settings }, nothingKnown)
    .filter(({ code }) => code === 'TND-118')
    .map(({ path, saw }) => `${path} ${String(saw)}`);

type Written = { containers: { args: string[]; image?: string }[]; volumes: { name: string }[] };
function edited(edit: (spec: Written) => void): ModelServing {
  const copy = structuredClone(complete(terse('')));
  edit(copy.spec.template.roles[0]?.entryTemplate.spec as unknown as Written);
  return copy;
}

t.test('a complete serving has nothing to be told', async (t) => t.same(told(complete(terse('-tp 2'))), []));

t.test('what is gone is told by its name', async (t) => {
  const at = 'spec.template.roles[0].entryTemplate';
  const without = (edit: (spec: Written) => void) => told(edited(edit));
  t.same(
    without((spec) => void spec.containers[0]?.args.splice(2, 2)),
    [`${at} no containers[vllm].args[--port]`],
  );
  t.same(
    without((spec) => spec.volumes.shift()),
    [`${at} no volumes[models]`],
  );
  t.same(
    without((spec) => Reflect.deleteProperty(spec.containers[0] ?? {}, 'image')),
    [`${at} no containers[vllm].image`],
  );
});

t.test('another value of the same argument is the user’s, however it is written', async (t) => {
  const spelled = edited(({ containers: [engine] }) => void engine?.args.splice(2, 2, '--port=9000'));
  t.same(told(spelled), []);
});

t.test('a container of the user’s own has no note', async (t) => {
  const own = edited((spec) => Object.assign(spec.containers[0] ?? {}, { name: 'mine', args: ['m'] }));
  t.same(told(own), []);
});

t.test('applied again with other arguments, the note follows', async (t) => {
  const before = complete(terse('--enforce-eager'));
  const { metadata, spec } = terse('--max-num-seqs 8');
  const annotations = { ...before.metadata.annotations, ...metadata.annotations };
  const after = complete({ ...before, metadata: { ...metadata, annotations }, spec });
  t.same(told(after), []);
  t.notMatch(after.metadata.annotations?.['tandem.dev/expanded'], 'enforce-eager');
  t.match(after.metadata.annotations?.['tandem.dev/expanded'], 'max-num-seqs');
});
