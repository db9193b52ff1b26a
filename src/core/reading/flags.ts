import type { EngineProfile } from '../profiles/types.js';
import type { Word } from './command-line.js';

/** Flags and positional words of an engine's command line, spelled as the profile spells them. */
export interface Flags {
  readonly args: ReadonlyMap<string, string | true>;
  /** Where the value (or the bare flag) is written, e.g. `args[4]`. */
  readonly at: ReadonlyMap<string, string>;
  readonly positional: readonly Word[];
  readonly servedNames: readonly string[];
}

/**
 * `--a b`, `--a=b`, `--a_b`, `-tp 2`, `-tp=2`, `-O3`, bare switches; of a repeated flag the last one counts, as in argparse.
 */
export function readFlags(words: readonly Word[], profile: EngineProfile['flags']): Flags {
  const args = new Map<string, string | true>();
  const at = new Map<string, string>();
  const positional: Word[] = [];
  const servedNames: string[] = [];
  const switches = new Set(profile.switches);
  for (let index = 0; index < words.length; index += 1) {
    const [word = nowhere, next] = words.slice(index, index + 2);
    const flag = flagOf(word.text, profile.aliases);
    if (flag === undefined) {
      positional.push(word);
      continue;
    }
    const separate = switches.has(flag.name) ? undefined : separateValue(flag, next);
    const { text = flag.value ?? true, at: where } = separate ?? { at: word.at };
    args.set(flag.name, text);
    at.set(flag.name, where);
    if (separate) index += 1;
    if (flag.name === profile.servedName) index += collectNames(words, index, args.get(flag.name), servedNames);
  }
  return { args, at, positional, servedNames };
}

const nowhere: Word = { text: '', at: '' };

/** The next word, when it is this flag's value. */
const separateValue = (flag: { readonly value?: string }, next: Word | undefined): Word | undefined =>
  flag.value === undefined && next && !isFlag(next.text) ? next : undefined;

/** The flag takes several names; returns how many further words belong to it. */
function collectNames(words: readonly Word[], last: number, first: string | true | undefined, names: string[]): number {
  names.length = 0;
  if (typeof first !== 'string') return 0;
  names.push(first);
  let more = 0;
  for (let word = words[last + 1]; word !== undefined && !isFlag(word.text); word = words[last + more + 1]) {
    names.push(word.text);
    more += 1;
  }
  return more;
}

const isFlag = (text: string): boolean => /^--?[A-Za-z]/.test(text);

function flagOf(text: string, aliases: Readonly<Record<string, string>>): { name: string; value?: string } | undefined {
  const match = /^(--?)([A-Za-z][^=]*)(?:=([\s\S]*))?$/.exec(text);
  if (!match) return undefined;
  const [, dashes, written = '', value] = match;
  const spelled = written.replace(/^[^.]*/, (head) => head.replaceAll('_', '-'));
  const known = Object.hasOwn(aliases, spelled) ? aliases[spelled] : undefined;
  const rest = value === undefined ? {} : { value };
  if (known !== undefined) return { name: known, ...rest };
  const letter = spelled[0] ?? '';
  const glued = dashes === '-' && Object.hasOwn(aliases, letter) ? aliases[letter] : undefined;
  return glued === undefined ? { name: spelled, ...rest } : { name: glued, value: text.slice(2) };
}
