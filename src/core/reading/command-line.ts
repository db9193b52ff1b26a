import type { Container } from '../../api/kube.js';
import { listAt, objectAt, textAt, textsAt } from './shape.js';
import { commandsOf } from './shell.js';
import { TextBudget } from './text-budget.js';
import type { Certainty } from './types.js';

/** One word of a command line and where in the container it is written, e.g. `args[3]`. */
export interface Word {
  readonly text: string;
  readonly at: string;
}

/** A command that the container may start. `entrypoint`: the image's own, so the words are its arguments. */
export interface CommandLine {
  readonly words: readonly Word[];
  readonly certainty: Certainty;
  readonly entrypoint: boolean;
}

/** Every command that the container's `command` and `args` can be seen to start; one of them may be the engine. */
export function commandLines(container: Container): readonly CommandLine[] {
  const command = textsAt(container, 'command');
  const args = textsAt(container, 'args');
  const budget = new TextBudget();
  const certain = (certainty: Certainty) => (budget.exceeded ? 'opaque' : certainty);
  const env = namesVariables(container) ? literalEnv(container, budget) : noEnv;
  const all = [...words('command', command, env, budget), ...words('args', args, env, budget)];
  const entrypoint = command.length === 0;
  const script = entrypoint && !startsShell(all) ? undefined : scriptOf(all, budget);
  if (script === undefined) return [{ words: all, certainty: certain('exact'), entrypoint }];
  const commands = commandsOf(script.text, env, budget);
  return commands.map((texts) => ({
    words: texts.map((text) => ({ text, at: script.at })),
    certainty: certain('shell'),
    entrypoint: false,
  }));
}

/** Whether a variable can change what `command` and `args` mean. */
export const namesVariables = (container: Container): boolean =>
  textsAt(container, 'command').some(hasDollar) || textsAt(container, 'args').some(hasDollar);

const hasDollar = (text: string): boolean => text.includes('$');
const noEnv: ReadonlyMap<string, string> = new Map();

const shells = new Set(['sh', 'bash', 'ash', 'dash', 'zsh', 'ksh']);

/** Arguments of an image whose entrypoint runs its arguments, or that has none: the first of them is the program. */
const startsShell = ([first]: readonly Word[]): boolean => shells.has(baseName(first?.text ?? ''));

/**
 * The script of `sh -c SCRIPT [NAME ARGUMENT...]`, also behind wrappers such as `tini --`, with its arguments in place;
 * undefined when no shell takes one.
 */
function scriptOf(all: readonly Word[], budget: TextBudget): Word | undefined {
  const shell = all.findIndex(({ text }) => shells.has(baseName(text)));
  if (shell < 0) return undefined;
  const option = all.findIndex(({ text }, index) => index > shell && /^-[a-z]*c$/.test(text));
  const script = option < 0 ? undefined : all[option + 1];
  if (script === undefined) return undefined;
  const [name = '', ...given] = all.slice(option + 2).map(({ text }) => `'${text.replaceAll("'", "'\\''")}'`);
  const list = given.join(' ');
  const text = script.text
    .replace(/"\$@"|\$@/g, (written) => (budget.take(list.length) ? list : written))
    .replace(/"\$0"|\$0/g, (written) => (budget.take(name.length) ? name : written));
  return { text, at: script.at };
}

/** Position after the program's words, or undefined when this command does not start it. A path before the program is ignored. */
export function programEnd({ words }: CommandLine, program: readonly string[]): number | undefined {
  const [name = ''] = program;
  for (let start = 0; start + program.length <= words.length; start += 1) {
    if (isProgram(words[start]?.text ?? '', name) && follows(words, start, program)) return start + program.length;
  }
  return undefined;
}

const isProgram = (text: string, name: string): boolean =>
  text === name || (text.endsWith(name) && baseName(text) === name);

function follows(words: readonly Word[], start: number, program: readonly string[]): boolean {
  for (let index = 1; index < program.length; index += 1) {
    if (words[start + index]?.text !== program[index]) return false;
  }
  return true;
}

const baseName = (text: string): string => text.slice(text.lastIndexOf('/') + 1);

function words(
  field: 'command' | 'args',
  texts: readonly string[],
  env: ReadonlyMap<string, string>,
  budget: TextBudget,
): Word[] {
  return texts.map((text, index) => ({ text: substituted(text, env, budget), at: `${field}[${index}]` }));
}

/** Kubernetes' own `$(VAR)`; an unknown name stays as written, and `$$(VAR)` means the text `$(VAR)`. */
function substituted(text: string, env: ReadonlyMap<string, string>, budget: TextBudget): string {
  if (!text.includes('$')) return text;
  return text.replace(/\$\$|\$\(([^()\s]+)\)/g, (written, variable: string | undefined) => {
    if (variable === undefined) return '$';
    const value = env.get(variable);
    return value !== undefined && budget.take(value.length) ? value : written;
  });
}

/** Names in `$(NAME)` of a text, as Kubernetes sees them. */
export function referencesIn(text: string): readonly string[] {
  if (!text.includes('$(')) return [];
  return [...text.replaceAll('$$', '').matchAll(/\$\(([A-Za-z_][-.\w]*)\)/g)].map((match) => match[1] ?? '');
}

/** Variables with a value in the manifest, each with what it references resolved, in the order of Kubernetes. */
function literalEnv(container: Container, budget: TextBudget): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  for (const entry of listAt(container, 'env')) {
    const variable = textAt(entry, 'name');
    if (variable === undefined) continue;
    if (objectAt(entry, 'valueFrom')) env.delete(variable);
    else env.set(variable, substituted(textAt(entry, 'value') ?? '', env, budget));
  }
  return env;
}
