import { mostText, TextBudget } from './text-budget.js';

/**
 * Enough of the POSIX shell to see which words a script starts a program with: quotes, line continuations, comments,
 * assignments and simple variables. What it cannot know (command substitution, loops, here-documents as data) stays as
 * text or is skipped; nothing is ever executed, and the result is a best effort (`Certainty` `shell`).
 */
export function commandsOf(
  script: string,
  env: ReadonlyMap<string, string>,
  budget: TextBudget = new TextBudget(),
): string[][] {
  // What is read is cut off there, so the rest is not known.
  if (script.length > mostText) budget.take(script.length);
  return new Reader(script, env, budget).commands();
}

const blank = /[ \t\r]/;
const operator = /[;&|\n(){}]/;
const name = /^[A-Za-z_]\w*/;

class Reader {
  readonly #text: string;
  readonly #variables: Map<string, string>;
  readonly #budget: TextBudget;
  readonly #lastBrace: number;
  readonly #done: string[][] = [];
  #words: string[] = [];
  #word: string | undefined;
  #at = 0;
  #heredocs: string[] = [];

  constructor(script: string, env: ReadonlyMap<string, string>, budget: TextBudget) {
    this.#text = script.slice(0, mostText).replaceAll('\\\r\n', '\\\n');
    this.#variables = new Map(env);
    this.#budget = budget;
    this.#lastBrace = this.#text.lastIndexOf('}');
  }

  commands(): string[][] {
    while (this.#at < this.#text.length) this.#step();
    this.#endCommand();
    return this.#done;
  }

  #step(): void {
    const char = this.#text[this.#at] ?? '';
    if (this.#quoting(char)) return;
    if (char === '#' && this.#word === undefined) this.#skipLine();
    else if (char === '<' || char === '>') this.#redirect();
    else if (blank.test(char)) this.#endWord(1);
    else if (operator.test(char) && !this.#braceInWord(char)) this.#operator(char);
    else this.#take(char);
  }

  /** Takes what a quoting character begins; false when this is none. */
  #quoting(char: string): boolean {
    if (char === '\\') this.#escape();
    else if (char === "'") this.#single();
    else if (char === '"') this.#double();
    else if (char === '$') this.#add(this.#dollar());
    else return false;
    return true;
  }

  #braceInWord(char: string): boolean {
    return (char === '{' || char === '}') && this.#word !== undefined;
  }

  #take(char: string): void {
    this.#add(char);
    this.#at += 1;
  }

  #add(text: string): void {
    this.#word = (this.#word ?? '') + text;
  }

  #escape(): void {
    const next = this.#text[this.#at + 1] ?? '';
    if (next !== '\n') this.#add(next);
    this.#at += 2;
  }

  #single(): void {
    const end = this.#text.indexOf("'", this.#at + 1);
    const stop = end < 0 ? this.#text.length : end;
    this.#add(this.#text.slice(this.#at + 1, stop));
    this.#at = stop + 1;
  }

  #double(): void {
    this.#add('');
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      const char = this.#text[this.#at] ?? '';
      const next = this.#text[this.#at + 1] ?? '';
      if (char === '\\' && '"\\$`\n'.includes(next)) {
        if (next !== '\n') this.#add(next);
        this.#at += 2;
      } else if (char === '$') {
        this.#add(this.#dollar());
      } else {
        this.#take(char);
      }
    }
    this.#at += 1;
  }

  /** The value of the variable at this place, or its own text when it is not known here. Moves past it. */
  #dollar(): string {
    const rest = this.#text.slice(this.#at);
    if (rest.startsWith('$(')) return this.#advance(substitution(rest));
    // Behind the last brace every look for one would go to the end of the script.
    const braced = this.#at < this.#lastBrace && /^\$\{([A-Za-z_]\w*)(?:(:?-)([^}]*))?\}/.exec(rest);
    if (braced) return this.#variable(braced[0], braced[1] ?? '', braced[3]);
    const plain = name.exec(rest.slice(1));
    return plain ? this.#variable(`$${plain[0]}`, plain[0], undefined) : this.#advance('$');
  }

  #variable(written: string, variable: string, otherwise: string | undefined): string {
    this.#at += written.length;
    const value = this.#variables.get(variable);
    if (value !== undefined && !this.#budget.take(value.length)) return written;
    return value ?? otherwise ?? written;
  }

  #advance(text: string): string {
    this.#at += text.length;
    return text;
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  /** A redirection is not an argument; a here-document's body is not a command. */
  #redirect(): void {
    const heredoc = /^<<-?\s*(['"]?)([A-Za-z_]\w*)\1/.exec(this.#text.slice(this.#at));
    if (heredoc) {
      this.#endWord(heredoc[0].length);
      this.#heredocs.push(heredoc[2] ?? '');
      return;
    }
    if (this.#word !== undefined && /^\d$/.test(this.#word)) this.#word = undefined;
    const written = /^(?:<<<|[<>&]+)\s*[^\s;|&]*/.exec(this.#text.slice(this.#at))?.[0] ?? '>';
    this.#endWord(written.length);
  }

  #operator(char: string): void {
    this.#endWord(1);
    this.#endCommand();
    if (char === '\n') this.#skipHeredocs();
  }

  #skipHeredocs(): void {
    for (const delimiter of this.#heredocs.splice(0)) {
      const end = new RegExp(`^\\t*${delimiter}[ \\t]*$`, 'm').exec(this.#text.slice(this.#at));
      this.#at = end ? this.#at + end.index + end[0].length : this.#text.length;
    }
  }

  #endWord(skip: number): void {
    this.#at += skip;
    if (this.#word === undefined) return;
    this.#words.push(this.#word);
    this.#word = undefined;
  }

  #endCommand(): void {
    this.#endWord(0);
    if (this.#words.length === 0) return;
    this.#assign();
    this.#done.push(this.#words);
    this.#words = [];
  }

  /** `A=1 B=2` and `export A=1` set variables for what follows. */
  #assign(): void {
    const words = ['export', 'declare', 'readonly', 'local'].includes(this.#words[0] ?? '')
      ? this.#words.slice(1)
      : this.#words;
    const assignments = words.map((word) => /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(word));
    if (!assignments.every((match) => match !== null)) return;
    for (const match of assignments) this.#variables.set(match[1] ?? '', match[2] ?? '');
  }
}

/** `$( ... )` with its nested parentheses, as written. */
function substitution(text: string): string {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0 && at > 1) return text.slice(0, at + 1);
  }
  return text;
}
