import { type Key, tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { EngineProfile } from '../profiles/types.js';
import { type Flags, readFlags } from '../reading/flags.js';
import { objectAt, textAt } from '../reading/shape.js';
import { commandsOf } from '../reading/shell.js';
import { annotationsOf } from './choose-profiles.js';
import type { ExpandProblem, PodLike } from './types.js';

/** What the annotations of one role (or, where it is silent, of the serving) say about size and arguments. */
export interface TerseSize {
  readonly tensorParallel: number;
  readonly pipelineParallel: number;
  readonly dataParallel: number;
  /** Devices per pod when the user counts them; else as many as there are ranks. */
  readonly devices: number | undefined;
  /** Arguments of the user's own, in words. */
  readonly words: readonly string[];
  readonly flags: Flags;
}

/** Reads the size of a role; what the user's own arguments say counts more than the annotations. */
export function readTerseSize(
  serving: ModelServing,
  template: PodLike,
  path: string,
  engine: EngineProfile,
): { readonly size: TerseSize; readonly problems: readonly ExpandProblem[] } {
  const problems: ExpandProblem[] = [];
  const whole = (key: Key): number | undefined => {
    const { text, at } = said(serving, template, path, key);
    if (text === undefined) return undefined;
    if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
    problems.push({ path: at, saw: text, want: 'a whole number from 1', fix: 'write it as a quoted number, e.g. "2"' });
    return undefined;
  };
  const { text = '', at } = said(serving, template, path, tandemKeys.engineArgs);
  if (text.length > longest) problems.push(tooLong(at, text));
  const words = text.length > longest ? [] : commandsOf(text, new Map()).flat();
  const flags = readFlags(
    words.map((word) => ({ text: word, at: '' })),
    engine.flags,
  );
  const fromArgs = (flag: string) => {
    const value = flags.args.get(flag);
    return typeof value === 'string' && /^\d{1,4}$/.test(value) ? Number(value) || undefined : undefined;
  };
  const tensorParallel = fromArgs(engine.flags.tensorParallel) ?? whole(tandemKeys.tensorParallel) ?? 1;
  const dataParallel = fromArgs(engine.flags.dataParallel) ?? whole(tandemKeys.dataParallel) ?? 1;
  const pipelineParallel = fromArgs(engine.flags.pipelineParallel) ?? 1;
  return {
    size: { tensorParallel, pipelineParallel, dataParallel, devices: whole(tandemKeys.devices), words, flags },
    problems,
  };
}

/** Each word is looked for among the others. */
const longest = 8_192;
const tooLong = (path: string, { length }: string): ExpandProblem => ({
  path,
  saw: `${length} characters`,
  want: `at most ${longest} characters`,
  fix: 'shorten it, or write the arguments into the container',
});

function said(
  serving: ModelServing,
  template: PodLike,
  path: string,
  { key }: Key,
): { text: string | undefined; at: string } {
  const own = textAt(objectAt(template.metadata, 'annotations'), key);
  if (own !== undefined) return { text: own, at: `${path}.metadata.annotations["${key}"]` };
  return { text: annotationsOf(serving)[key], at: `metadata.annotations["${key}"]` };
}
