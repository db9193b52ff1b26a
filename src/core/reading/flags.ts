import { oncePer } from '../../base/once-per.js';
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
  const switches = switchesOf(profile);
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] as Word;
    const flag = flagOf(word.text, profile.aliases);
    if (flag === undefined) {
      positional.push(word);
      continue;
    }
    const separate = switches.has(flag.name) ? undefined : separateValue(flag, words[index + 1]);
    args.set(flag.name, separate?.text ?? flag.value ?? true);
    at.set(flag.name, (separate ?? word).at);
    if (separate) index += 1;
    if (flag.name === profile.servedName) index += collectNames(words, index, args.get(flag.name), servedNames);
  }
  return { args, at, positional, servedNames };
}

const switchesOf = oncePer(({ switches }: EngineProfile['flags']): ReadonlySet<string> => new Set(switches));

interface Flag {
  readonly name: string;
  readonly value: string | undefined;
}

/** The next word, when it is this flag's value. */
const separateValue = (flag: Flag, next: Word | undefined): Word | undefined =>
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

const isFlag = (text: string): boolean => nameStart(text) > 0;

/** Where the name of a flag begins, after one dash or two and at a letter; 0 when the text is no flag. */
function nameStart(text: string): number {
  if (text.charCodeAt(0) !== dash) return 0;
  const start = text.charCodeAt(1) === dash ? 2 : 1;
  const letter = text.charCodeAt(start) | 0x20;
  return letter >= smallA && letter <= smallZ ? start : 0;
}

const [dash, smallA, smallZ] = [0x2d, 0x61, 0x7a];

function flagOf(text: string, aliases: Readonly<Record<string, string>>): Flag | undefined {
  const start = nameStart(text);
  if (start === 0) return undefined;
  const equals = text.indexOf('=', start);
  const written = equals < 0 ? text.slice(start) : text.slice(start, equals);
  const value = equals < 0 ? undefined : text.slice(equals + 1);
  const spelled = written.includes('_') ? withDashes(written) : written;
  if (Object.hasOwn(aliases, spelled)) return { name: aliases[spelled] ?? '', value };
  const glued = start === 1 ? gluedName(spelled, aliases) : undefined;
  return glued === undefined ? { name: spelled, value } : { name: glued, value: text.slice(2) };
}

/** The flag whose one letter stands in front of its value, as in `-O3`. */
function gluedName([letter = '']: string, aliases: Readonly<Record<string, string>>): string | undefined {
  return Object.hasOwn(aliases, letter) ? aliases[letter] : undefined;
}

/** `_` counts as `-` up to the first dot: what follows names a member of a configuration. */
function withDashes(name: string): string {
  const dot = name.indexOf('.');
  if (dot < 0) return name.replaceAll('_', '-');
  return name.slice(0, dot).replaceAll('_', '-') + name.slice(dot);
}
