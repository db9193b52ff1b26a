import type { Container } from '../../api/kube.js';
import { listAt, objectAt, textAt, textsAt } from './shape.js';
import { commandsOf } from './shell.js';
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
  const env = namesVariables(container) ? literalEnv(container) : noEnv;
  const all = [...words('command', command, env), ...words('args', args, env)];
  if (command.length === 0) return [{ words: all, certainty: 'exact', entrypoint: true }];
  const script = scriptOf(all);
  if (script === undefined) return [{ words: all, certainty: 'exact', entrypoint: false }];
  return commandsOf(script.text, env).map((texts) => ({
    words: texts.map((text) => ({ text, at: script.at })),
    certainty: 'shell',
    entrypoint: false,
  }));
}

/** Whether a variable can change what `command` and `args` mean. */
export const namesVariables = (container: Container): boolean =>
  textsAt(container, 'command').some(hasDollar) || textsAt(container, 'args').some(hasDollar);

const hasDollar = (text: string): boolean => text.includes('$');
const noEnv: ReadonlyMap<string, string> = new Map();

const shells = new Set(['sh', 'bash', 'ash', 'dash', 'zsh', 'ksh']);

/**
 * The script of `sh -c SCRIPT [NAME ARGUMENT...]`, also behind wrappers such as `tini --`, with its arguments in place;
 * undefined when no shell takes one.
 */
function scriptOf(all: readonly Word[]): Word | undefined {
  const shell = all.findIndex(({ text }) => shells.has(baseName(text)));
  if (shell < 0) return undefined;
  const option = all.findIndex(({ text }, index) => index > shell && /^-[a-z]*c$/.test(text));
  const script = option < 0 ? undefined : all[option + 1];
  if (script === undefined) return undefined;
  const [name, ...given] = all.slice(option + 2).map(({ text }) => `'${text.replaceAll("'", "'\\''")}'`);
  const text = script.text.replace(/"\$@"|\$@/g, () => given.join(' ')).replace(/"\$0"|\$0/g, () => name ?? '');
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

function words(field: 'command' | 'args', texts: readonly string[], env: ReadonlyMap<string, string>): Word[] {
  return texts.map((text, index) => ({ text: substituted(text, env), at: `${field}[${index}]` }));
}

/** Kubernetes' own `$(VAR)`; an unknown name stays as written, and `$$(VAR)` means the text `$(VAR)`. */
export function substituted(text: string, env: ReadonlyMap<string, string>): string {
  if (!text.includes('$')) return text;
  return text.replace(/\$\$|\$\(([^()\s]+)\)/g, (written, variable: string | undefined) =>
    variable === undefined ? '$' : (env.get(variable) ?? written),
  );
}

/** Names in `$(NAME)` of a text, as Kubernetes sees them. */
export function referencesIn(text: string): readonly string[] {
  if (!text.includes('$(')) return [];
  return [...text.replaceAll('$$', '').matchAll(/\$\(([A-Za-z_][-.\w]*)\)/g)].map((match) => match[1] ?? '');
}

/** Variables with a value in the manifest, each with what it references resolved, in the order of Kubernetes. */
export function literalEnv(container: Container): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  for (const entry of listAt(container, 'env')) {
    const variable = textAt(entry, 'name');
    if (variable === undefined) continue;
    if (objectAt(entry, 'valueFrom')) env.delete(variable);
    else env.set(variable, substituted(textAt(entry, 'value') ?? '', env));
  }
  return env;
}
