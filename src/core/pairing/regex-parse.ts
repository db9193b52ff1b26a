/** Reads RE2 syntax (https://github.com/google/re2/wiki/Syntax): what headers and paths need, the rest is refused by name. */
export type Node =
  | { readonly type: 'empty' }
  | { readonly type: 'char'; readonly accepts: (code: number) => boolean }
  | { readonly type: 'assert'; readonly holds: (before: number, after: number) => boolean }
  | { readonly type: 'sequence'; readonly items: readonly Node[] }
  | { readonly type: 'either'; readonly items: readonly Node[] }
  | { readonly type: 'repeat'; readonly item: Node; readonly min: number; readonly max: number | undefined };

type Accepts = (code: number) => boolean;

const inRange =
  (from: number, to: number): Accepts =>
  (code) =>
    code >= from && code <= to;
const not =
  (accepts: Accepts): Accepts =>
  (code) =>
    !accepts(code);
const anyOf =
  (all: readonly Accepts[]): Accepts =>
  (code) =>
    all.some((accepts) => accepts(code));
const only =
  (text: string): Accepts =>
  (code) =>
    text.includes(String.fromCharCode(code));

const digit = inRange(48, 57);
const lower = inRange(97, 122);
const upper = inRange(65, 90);
const letter = anyOf([lower, upper]);
const word = anyOf([letter, digit, only('_')]);
const space = only('\t\n\f\r ');
const isEnd = (code: number): boolean => code < 0;
const isWord = (code: number): boolean => code >= 0 && word(code);

const classes: Readonly<Record<string, Accepts>> = {
  d: digit,
  D: not(digit),
  w: word,
  W: not(word),
  s: space,
  S: not(space),
};
const posix: Readonly<Record<string, Accepts>> = {
  alnum: anyOf([letter, digit]),
  alpha: letter,
  blank: only('\t '),
  digit,
  lower,
  upper,
  punct: (code) => code > 32 && code < 127 && !letter(code) && !digit(code),
  space: only('\t\n\v\f\r '),
  word,
  xdigit: anyOf([digit, inRange(97, 102), inRange(65, 70)]),
};
const controls: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };
const asserts: Readonly<Record<string, (before: number, after: number) => boolean>> = {
  A: (before) => isEnd(before),
  z: (_, after) => isEnd(after),
  b: (before, after) => isWord(before) !== isWord(after),
  B: (before, after) => isWord(before) === isWord(after),
};
/** RE2's own limit of a counted repetition. */
const maxRepeat = 1000;
/** Groups inside groups: deeper is not a pattern a person wrote. */
const maxDepth = 200;

class Refused extends Error {}

/** The pattern as a tree, or why it is none. */
export function parseRegex(pattern: string): { readonly node: Node } | { readonly error: string } {
  const reader = new Reader(pattern);
  try {
    return { node: reader.all() };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { error: `${error.message} at character ${reader.at}` };
  }
}

class Reader {
  at = 0;
  #fold = false;
  #depth = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  all(): Node {
    const node = this.#either();
    if (this.at < this.#text.length) throw new Refused('a ) without (');
    return node;
  }

  #either(): Node {
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    const [first] = items;
    return items.length === 1 && first ? first : { type: 'either', items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    while (this.at < this.#text.length && !'|)'.includes(this.#peek())) items.push(this.#repeated(this.#atom()));
    return { type: 'sequence', items };
  }

  #repeated(item: Node): Node {
    const range = this.#range();
    if (!range) return item;
    this.#take('?'); // a lazy repetition finds the same texts
    return { type: 'repeat', item, ...range };
  }

  #range(): { min: number; max: number | undefined } | undefined {
    if (this.#take('*')) return { min: 0, max: undefined };
    if (this.#take('+')) return { min: 1, max: undefined };
    if (this.#take('?')) return { min: 0, max: 1 };
    return this.#counted();
  }

  /** `{2}`, `{2,}` or `{2,5}`; a brace that is none of these stands for itself. */
  #counted(): { min: number; max: number | undefined } | undefined {
    const counted = /^\{(\d+)(,?)(\d*)\}/.exec(this.#text.slice(this.at, this.at + 12));
    if (!counted) return undefined;
    this.at += counted[0].length;
    const min = Number(counted[1]);
    const open = counted[3] === '' ? undefined : Number(counted[3]);
    const max = counted[2] === '' ? min : open;
    const most = max ?? min;
    if (most > maxRepeat || most < min) throw new Refused('a repetition out of range');
    return { min, max };
  }

  #atom(): Node {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return this.#char(this.#set());
      case '\\':
        return this.#escape();
      case '.':
        return this.#char((code) => code !== 10);
      case '^':
        return { type: 'assert', holds: (before) => isEnd(before) };
      case '$':
        return { type: 'assert', holds: (_, after) => isEnd(after) };
      case '*':
      case '+':
      case '?':
        throw new Refused(`nothing to repeat before ${char}`);
      default:
        return this.#literal(char.charCodeAt(0));
    }
  }

  #group(): Node {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw new Refused('groups too deep');
    const outer = this.#fold;
    if (this.#take('?') && this.#flags()) {
      this.#depth -= 1;
      return { type: 'empty' };
    }
    const node = this.#either();
    if (!this.#take(')')) throw new Refused('a ( without )');
    this.#fold = outer;
    this.#depth -= 1;
    return node;
  }

  /** After `(?`: true when only flags were set, `(?i)`; false when a group follows, `(?:`, `(?i:`, `(?P<name>`. */
  #flags(): boolean {
    const found = /^(?:P?<\w+>|([is]*)(-[ims]+)?([:)]))/.exec(this.#text.slice(this.at));
    if (!found) throw new Refused('a group form that RE2 does not have, or that is not supported');
    this.at += found[0].length;
    if (found[1]?.includes('i')) this.#fold = true;
    if (found[2]?.includes('i')) this.#fold = false;
    return found[3] === ')';
  }

  #escape(): Node {
    const char = this.#next();
    const holds = asserts[char];
    if (holds) return { type: 'assert', holds };
    const accepts = classes[char];
    return accepts ? this.#char(accepts) : this.#literal(this.#escaped(char));
  }

  /** The code that `\` and this character stand for. */
  #escaped(char: string): number {
    if (char === 'x') {
      const hex = /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,4})\})/.exec(this.#text.slice(this.at));
      if (!hex) throw new Refused('a \\x without hex digits');
      this.at += hex[0].length;
      return Number.parseInt(hex[1] ?? hex[2] ?? '0', 16);
    }
    const control = controls[char];
    if (control !== undefined) return control;
    if (/[a-zA-Z0-9]/.test(char)) throw new Refused(`\\${char} is not supported`);
    return char.charCodeAt(0);
  }

  #set(): Accepts {
    const negated = this.#take('^');
    const parts: Accepts[] = [];
    do parts.push(this.#setItem());
    while (!this.#take(']'));
    const accepts = anyOf(parts);
    return negated ? not(this.#folded(accepts)) : accepts;
  }

  #setItem(): Accepts {
    const named = /^\[:(\^?)(\w+):\]/.exec(this.#text.slice(this.at));
    if (named) {
      this.at += named[0].length;
      const accepts = posix[named[2] ?? ''];
      if (!accepts) throw new Refused(`class [:${named[2]}:] is not known`);
      return named[1] ? not(accepts) : accepts;
    }
    const from = this.#setCode();
    if (typeof from === 'function') return from;
    if (this.#peek() !== '-' || this.#text[this.at + 1] === ']') return inRange(from, from);
    this.at += 1;
    const to = this.#setCode();
    if (typeof to === 'function' || to < from) throw new Refused('a range in [] that runs backwards');
    return inRange(from, to);
  }

  #setCode(): number | Accepts {
    const char = this.#next();
    if (char !== '\\') return char.charCodeAt(0);
    const escaped = this.#next();
    return classes[escaped] ?? this.#escaped(escaped);
  }

  #literal(code: number): Node {
    return this.#char(inRange(code, code));
  }

  #char(accepts: Accepts): Node {
    return { type: 'char', accepts: this.#folded(accepts) };
  }

  /** Under `(?i)` a letter is accepted when either of its cases is. */
  #folded(accepts: Accepts): Accepts {
    if (!this.#fold) return accepts;
    return (code) => accepts(code) || (letter(code) && accepts(code ^ 32));
  }

  #peek(): string {
    return this.#text[this.at] ?? '';
  }

  #take(char: string): boolean {
    if (this.#text[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  #next(): string {
    const char = this.#text[this.at];
    if (char === undefined) throw new Refused('the pattern ends too early');
    this.at += 1;
    return char;
  }
}
