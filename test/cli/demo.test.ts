/** The main job on a machine that has nothing but Node: what `make demo` shows, held line by line. */
import t from 'tap';
import { run } from '../e2e/kubectl.js';

const demo = (which: string) =>
  run(process.execPath, ['dist/src/cli/main.js', 'demo', which], { env: { KUBECONFIG: '' } });

t.test(
  'tandem demo all takes both documents and the terse forms from apply to clean-up',
  { timeout: 120_000 },
  async (t) => {
    const { code, stdout, stderr } = await demo('all');
    t.equal(code, 0, stderr);
    t.equal(stderr, '', 'nothing to complain about');
    const servings = [...stdout.matchAll(/^(\S+) +applied; (\d+) fields added by (.*); \d+ warnings?$/gm)];
    t.equal(servings.length, 4, 'gpu, npu, and the terse form of each');
    for (const [, name, fields, profiles] of servings) t.ok(Number(fields) > 0, `${name}: fields of ${profiles}`);
    t.equal(
      stdout.match(/^placed +prefill-0 on (\S+), decode-0 on (\S+) +same (node|domain|leaf) /gm)?.length,
      4,
      'each group lies close together',
    );
    t.equal(
      stdout.match(
        /200 in \d+ ms +prefill \d+ ms \(\S+prefill\S+\) → KV \d+ tokens → decode \d+ ms \(\S+decode\S+\)$/gm,
      )?.length,
      4,
      'each answer names its pair and both legs',
    );
    t.equal(
      stdout.match(/^clean +0 pods, 0 engines, 0 KV blocks held, 0 connections open$/gm)?.length,
      4,
      'nothing is left',
    );
  },
);

t.test('tandem demo npu works alone, and tells what the document leaves broken', { timeout: 60_000 }, async (t) => {
  const { code, stdout } = await demo('npu');
  t.equal(code, 0);
  for (const finding of ['TND-015', 'TND-022', 'TND-026', 'TND-047', 'TND-067'])
    t.match(stdout, new RegExp(`^  ${finding} `, 'm'));
  t.match(stdout, /^ {2}\+ .*workerReplicas = 0/m);
});
