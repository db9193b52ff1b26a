/**
 * The part of CEL that validation rules are written in here: literals, members, indexes, arithmetic, comparison, logic,
 * `in`, the conditional, and the functions and macros that `evaluate.ts` lists. Anything else is refused by name when
 * the definition is created, so that no rule is ever silently skipped. Grammar: https://github.com/google/cel-spec
 */
export type Expression =
  | { readonly is: 'literal'; readonly value: unknown }
  | { readonly is: 'name'; readonly name: string }
  | { readonly is: 'member'; readonly of: Expression; readonly name: string }
  | { readonly is: 'index'; readonly of: Expression; readonly at: Expression }
  | {
      readonly is: 'call';
      readonly of: Expression | undefined;
      readonly name: string;
      readonly args: readonly Expression[];
    }
  | { readonly is: 'list'; readonly items: readonly Expression[] }
  | { readonly is: 'unary'; readonly operator: string; readonly of: Expression }
  | { readonly is: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression }
  | { readonly is: 'conditional'; readonly test: Expression; readonly yes: Expression; readonly no: Expression };

export class CelSyntaxError extends Error {}

interface Token {
  readonly kind: 'number' | 'string' | 'name' | 'symbol' | 'end';
  readonly text: string;
}

const tokenForm =
  /\s*(?:(\d+\.\d+(?:[eE][+-]?\d+)?|\d+)(u)?|(r?"(?:[^"\\]|\\.)*"|r?'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()[\]{}]))/y;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  tokenForm.lastIndex = 0;
  const end = text.trimEnd().length;
  while (tokenForm.lastIndex < end) {
    const start = tokenForm.lastIndex;
    const match = tokenForm.exec(text);
    if (!match) throw new CelSyntaxError(`cannot read ${JSON.stringify(text.slice(start, start + 12).trim())}`);
    const [, number, , string, name, symbol = ''] = match;
    if (number !== undefined) found.push({ kind: 'number', text: number });
    else if (string !== undefined) found.push({ kind: 'string', text: string });
    else found.push(name === undefined ? { kind: 'symbol', text: symbol } : { kind: 'name', text: name });
  }
  return [...found, { kind: 'end', text: 'the end' }];
}

/** Binary operators, loosest first. */
const levels: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
];
const words: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };

/** Throws `CelSyntaxError` for anything outside the supported part. */
export function parseCel(text: string): Expression {
  const parser = new Parser(tokens(text));
  const expression = parser.conditional();
  parser.expectEnd();
  return expression;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(list: readonly Token[]) {
    this.#tokens = list;
  }

  conditional(): Expression {
    const test = this.#binary(0);
    if (!this.#accept('?')) return test;
    const yes = this.conditional();
    this.#expect(':');
    return { is: 'conditional', test, yes, no: this.conditional() };
  }

  expectEnd(): void {
    if (this.#next.kind !== 'end') throw new CelSyntaxError(`unexpected ${this.#next.text}`);
  }

  get #next(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end' };
  }

  #accept(text: string): boolean {
    const { kind } = this.#next;
    if ((kind !== 'symbol' && kind !== 'name') || this.#next.text !== text) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw new CelSyntaxError(`expected ${text}, found ${this.#next.text}`);
  }

  #binary(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const operator = operators.find((text) => this.#accept(text));
      if (operator === undefined) return left;
      left = { is: 'binary', operator, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): Expression {
    for (const operator of ['!', '-']) {
      if (this.#accept(operator)) return { is: 'unary', operator, of: this.#unary() };
    }
    return this.#postfix(this.#primary());
  }

  #postfix(start: Expression): Expression {
    let expression = start;
    for (;;) {
      if (this.#accept('.')) {
        if (this.#next.text === '?') throw new CelSyntaxError('optional members (.?) are not supported');
        const name = this.#name();
        expression = this.#accept('(')
          ? { is: 'call', of: expression, name, args: this.#arguments(')') }
          : { is: 'member', of: expression, name };
      } else if (this.#accept('[')) {
        const at = this.conditional();
        this.#expect(']');
        expression = { is: 'index', of: expression, at };
      } else return expression;
    }
  }

  #primary(): Expression {
    const token = this.#next;
    if (this.#accept('(')) {
      const inner = this.conditional();
      this.#expect(')');
      return inner;
    }
    if (this.#accept('[')) return { is: 'list', items: this.#arguments(']') };
    this.#at++;
    if (token.kind === 'number') return { is: 'literal', value: Number(token.text) };
    if (token.kind === 'string') return { is: 'literal', value: unquote(token.text) };
    if (token.kind !== 'name') throw new CelSyntaxError(`unexpected ${token.text}`);
    if (token.text in words) return { is: 'literal', value: words[token.text] };
    return this.#accept('(')
      ? { is: 'call', of: undefined, name: token.text, args: this.#arguments(')') }
      : { is: 'name', name: token.text };
  }

  #name(): string {
    const token = this.#next;
    if (token.kind !== 'name') throw new CelSyntaxError(`expected a name, found ${token.text}`);
    this.#at++;
    // Keywords of CEL are escaped in the names of members.
    return token.text
      .replace(/^__(\w+)__$/, '$1')
      .replaceAll('__dash__', '-')
      .replaceAll('__dot__', '.')
      .replaceAll('__slash__', '/');
  }

  #arguments(end: string): Expression[] {
    const list: Expression[] = [];
    while (!this.#accept(end)) {
      if (list.length > 0) this.#expect(',');
      list.push(this.conditional());
    }
    return list;
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

function unquote(text: string): string {
  if (text.startsWith('r')) return text.slice(2, -1);
  return text.slice(1, -1).replace(/\\(.)/g, (_all, letter: string) => escapes[letter] ?? letter);
}
