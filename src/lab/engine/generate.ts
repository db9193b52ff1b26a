import { mix } from './tokens.js';

const words =
  'the a key value cache moves from prefill to decode over each link and node token by token so that one answer reads as if a single engine had made it while blocks wait leases end routers pair requests flow latency falls memory stays warm'.split(
    ' ',
  );

/** Text of the `n`-th generated token of a sequence; a leading space joins words, as BPE pieces do. */
export function tokenText(seed: number, n: number): string {
  const word = words[mix(seed, n + 1) % words.length] ?? 'token';
  return n === 0 ? `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}` : ` ${word}`;
}

export function tokenId(seed: number, n: number, vocabulary: number): number {
  return mix(seed, n + 1) % vocabulary;
}

/** The most tokens that the model says before its end-of-sequence token. */
export const longestText = 104;

/** How many tokens it says for this prompt: 41 to 104. */
function naturalLength(seed: number): number {
  return longestText - (mix(seed, 0xe05) % 64);
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
