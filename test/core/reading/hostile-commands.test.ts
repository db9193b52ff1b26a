/** A command that is written to grow while it is read costs no more than a long one, and is then not judged. */
import t from 'tap';
import type { Container } from '../../../src/api/kube.js';
import { commandLines } from '../../../src/core/reading/command-line.js';
import { readPodSpec } from '../../../src/core/reading/pod.js';
import { commandsOf } from '../../../src/core/reading/shell.js';
import { packagedProfiles } from '../expand/samples.js';

const image = 'docker.io/vllm/vllm-openai:v0.11.2';
const names = [...'abcdefghijklmnopqrstuvwxyz'];

const read = (container: Partial<Container>) =>
  readPodSpec({ containers: [{ name: 'c', image, ...container }] }, packagedProfiles(), { path: 'spec' })?.engine;

const charsOf = (container: Partial<Container>): number =>
  commandLines({ name: 'c', ...container })
    .flatMap(({ words }) => words)
    .reduce((sum, { text }) => sum + text.length, 0);

/** Twenty-six variables, each ten times the one before: 10^26 characters in all. */
const tenfold = names.map((name, index) => ({
  name,
  value: index === 0 ? 'xxxxxxxxxx' : `$(${names[index - 1]})`.repeat(10),
}));

t.test('variables that multiply', async (t) => {
  const container = { env: tenfold, args: ['m', '--port', '$(z)'] };
  t.equal(read(container)?.reading, 'opaque');
  t.equal(read(container)?.model, 'm', 'and what can be read is read');
  t.ok(charsOf(container) < 256 * 1024);
  t.equal(read({ env: tenfold, args: ['m', '--port', '8100'] })?.reading, 'exact', 'where the command names none');
});

t.test('variables that a script multiplies', async (t) => {
  const script = names.map((name, index) => `${name}=${index === 0 ? 'x' : `$${names[index - 1]}`.repeat(10)}`);
  const container = { command: ['sh', '-c', `${script.join('\n')}\nvllm serve m --port $z`] };
  t.equal(read(container)?.reading, 'opaque');
  t.ok(charsOf(container) < 512 * 1024);
});

t.test('arguments that a script repeats', async (t) => {
  const long = 'x'.repeat(500_000);
  const container = { command: ['sh', '-c', 'vllm serve $@ '.repeat(4_000)], args: ['0', long, long] };
  t.equal(read(container)?.reading, 'opaque');
  t.ok(charsOf(container) < 4_000_000);
  const name = { command: ['sh', '-c', `vllm serve m ${'$0'.repeat(10_000)}`], args: [long] };
  t.equal(read(name)?.reading, 'opaque');
  t.ok(charsOf(name) < 4_000_000);
});

t.test('a script that is longer than any start command', async (t) => {
  t.equal(read({ command: ['sh', '-c', `vllm serve m\n${'#'.repeat(70_000)}`] })?.reading, 'opaque');
  t.equal(read({ command: ['sh', '-c', `vllm serve m\n${'#'.repeat(60_000)}`] })?.reading, 'shell');
});

t.test('braces that are never closed', async (t) => {
  const open = `\${A-`.repeat(16_000);
  // Reading to the end for each of them would take minutes in all.
  for (let round = 0; round < 100; round += 1) t.same(commandsOf(`a ${open}`, new Map()).flat(), ['a', open]);
  t.same(commandsOf(`a \${A-b} ${open}`, new Map([['A', 'c']])).flat(), ['a', 'c', open]);
});
