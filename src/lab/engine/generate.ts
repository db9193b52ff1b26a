import { mix } from './tokens.js';

const list = (words: string): readonly string[] => words.split(' ');
const determiners = list('the a each every this that one any');
const adjectives = list('warm small idle shared late quiet distant ready busy second patient near');
const nouns = list(
  'cache block router engine token link lease prompt node queue leaf decode prefill answer rack stream',
);
const verbs = list('moves reads keeps finds joins frees waits answers pairs fills leads returns');
const prepositions = list('past beside under without behind through before after near across');
/** The sentence that every answer repeats with other words, eight tokens long. */
const sentence = [determiners, adjectives, nouns, verbs, prepositions, determiners, nouns, ['.']];

/** Text of the `n`-th generated token of a sequence; a leading space joins words, as BPE pieces do. */
function tokenText(seed: number, n: number): string {
  const place = n % sentence.length;
  const words = sentence[place] ?? nouns;
  const word = words[mix(seed, n + 1) % words.length] ?? 'token';
  if (word === '.') return word;
  const spelt = place === 0 ? `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}` : word;
  return n === 0 ? spelt : ` ${spelt}`;
}

export function tokenId(seed: number, n: number, vocabulary: number): number {
  return mix(seed, n + 1) % vocabulary;
}

/** The most tokens that the model says before its end-of-sequence token. */
export const longestText = 104;

/** How many tokens it says for this prompt: 48 to 104, whole sentences. */
function naturalLength(seed: number): number {
  return longestText - sentence.length * (mix(seed, 0xe05) % 8);
}

export interface Ending {
  readonly tokens: readonly string[];
  readonly finish: 'stop' | 'length';
  /** The stop string that ended it. */
  readonly stopReason: string | null;
}

/** The whole answer of a sequence, decided before its first token is sent: greedy sampling is a function of the prompt. */
export function generate(
  seed: number,
  limits: {
    readonly maxTokens: number;
    readonly minTokens: number;
    readonly ignoreEos: boolean;
    readonly stop: readonly string[];
  },
): Ending {
  const natural = limits.ignoreEos ? limits.maxTokens : Math.max(naturalLength(seed), limits.minTokens);
  const count = Math.min(natural, limits.maxTokens);
  const tokens: string[] = [];
  let text = '';
  for (let n = 0; n < count; n += 1) {
    const piece = tokenText(seed, n);
    const hit = n + 1 >= limits.minTokens ? firstStop(text + piece, limits.stop) : undefined;
    if (hit !== undefined) {
      tokens.push((text + piece).slice(text.length, Math.max(text.length, hit.at)));
      return { tokens, finish: 'stop', stopReason: hit.stop };
    }
    tokens.push(piece);
    text += piece;
  }
  return { tokens, finish: natural <= limits.maxTokens && !limits.ignoreEos ? 'stop' : 'length', stopReason: null };
}

function firstStop(text: string, stops: readonly string[]): { at: number; stop: string } | undefined {
  for (const stop of stops) {
    const at = stop === '' ? -1 : text.indexOf(stop);
    if (at >= 0) return { at, stop };
  }
  return undefined;
}
