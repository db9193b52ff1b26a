export interface JsonError {
  readonly at: number;
  readonly message: string;
}

/** Where and why Python's `json.loads` gives up on a text that is not JSON; the words are Python's. */
export function findJsonError(text: string): JsonError {
  try {
    const end = value(text, space(text, 0));
    return { at: space(text, end), message: 'Extra data' };
  } catch (error) {
    if (error instanceof Found) return error.found;
    throw error;
  }
}

class Found extends Error {
  readonly found: JsonError;
  constructor(found: JsonError) {
    super(found.message);
    this.found = found;
  }
}

const fail = (at: number, message: string) => new Found({ at, message });
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity/y;
const blank = /[ \t\n\r]*/y;
const quoted = /"(?:[^"\\]|\\.)*"/sy;

function space(text: string, at: number): number {
  blank.lastIndex = at;
  blank.exec(text);
  return blank.lastIndex;
}

function value(text: string, at: number): number {
  const first = text[at];
  if (first === '{') return members(text, at);
  if (first === '[') return items(text, at);
  if (first === '"') return string(text, at);
  scalar.lastIndex = at;
  if (!scalar.test(text)) throw fail(at, 'Expecting value');
  return scalar.lastIndex;
}

function string(text: string, at: number): number {
  quoted.lastIndex = at;
  if (!quoted.test(text)) throw fail(at, 'Unterminated string starting at');
  return quoted.lastIndex;
}

function members(text: string, at: number): number {
  let next = space(text, at + 1);
  if (text[next] === '}') return next + 1;
  for (;;) {
    if (text[next] !== '"') throw fail(next, 'Expecting property name enclosed in double quotes');
    next = space(text, string(text, next));
    if (text[next] !== ':') throw fail(next, "Expecting ':' delimiter");
    next = space(text, value(text, space(text, next + 1)));
    if (text[next] === '}') return next + 1;
    if (text[next] !== ',') throw fail(next, "Expecting ',' delimiter");
    next = space(text, next + 1);
  }
}

function items(text: string, at: number): number {
  let next = space(text, at + 1);
  if (text[next] === ']') return next + 1;
  for (;;) {
    next = space(text, value(text, next));
    if (text[next] === ']') return next + 1;
    if (text[next] !== ',') throw fail(next, "Expecting ',' delimiter");
    next = space(text, next + 1);
  }
}
