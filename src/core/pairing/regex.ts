/**
 * Regular expressions in RE2's syntax that take time linear in the text, whatever the pattern: a ModelRoute is written by
 * one tenant and matched against headers sent by another, so a backtracking engine would be a way to stop the router.
 * Answers only whether the pattern is found anywhere. Back-references and look-around do not exist, as in RE2.
 */
import { type Node, parseRegex } from './regex-parse.js';

export interface Regex {
  test(text: string): boolean;
}

type Op =
  | { readonly op: 'char'; readonly accepts: (code: number) => boolean }
  | { readonly op: 'split'; readonly to: number[] }
  | { readonly op: 'assert'; readonly holds: (before: number, after: number) => boolean }
  | { readonly op: 'match' };

/** Instructions of one program: a{1000}{1000} is refused, not built. */
const maxProgram = 5000;

/** The compiled pattern, or why it cannot be one. */
export function compileRegex(pattern: string): Regex | { readonly error: string } {
  const parsed = parseRegex(pattern);
  if ('error' in parsed) return parsed;
  const program: Op[] = [];
  if (!emit(parsed.node, program)) return { error: 'it repeats more than can be matched safely' };
  program.push({ op: 'match' });
  return { test: (text) => run(program, text) };
}

/** Appends the node's instructions; each falls through to the next one. False when the program grows too large. */
function emit(node: Node, out: Op[]): boolean {
  if (out.length > maxProgram) return false;
  switch (node.type) {
    case 'empty':
      return true;
    case 'char':
      out.push({ op: 'char', accepts: node.accepts });
      return true;
    case 'assert':
      out.push({ op: 'assert', holds: node.holds });
      return true;
    case 'sequence':
      return node.items.every((item) => emit(item, out));
    case 'either':
      return emitEither(node.items, out);
    case 'repeat':
      return emitRepeat(node, out);
  }
}

function emitEither(items: readonly Node[], out: Op[]): boolean {
  const starts: number[] = [];
  out.push({ op: 'split', to: starts });
  const ends: number[][] = [];
  for (const item of items) {
    starts.push(out.length);
    if (!emit(item, out)) return false;
    const end: number[] = [];
    ends.push(end);
    out.push({ op: 'split', to: end });
  }
  for (const end of ends) end.push(out.length);
  return true;
}

function emitRepeat({ item, min, max }: Extract<Node, { type: 'repeat' }>, out: Op[]): boolean {
  for (let i = 0; i < min; i += 1) if (!emit(item, out)) return false;
  if (max === undefined) return emitLoop(item, out);
  const exits: number[][] = [];
  for (let i = min; i < max; i += 1) {
    const to = [out.length + 1];
    exits.push(to);
    out.push({ op: 'split', to });
    if (!emit(item, out)) return false;
  }
  for (const to of exits) to.push(out.length);
  return true;
}

function emitLoop(item: Node, out: Op[]): boolean {
  const start = out.length;
  const to = [start + 1];
  out.push({ op: 'split', to });
  if (!emit(item, out)) return false;
  out.push({ op: 'split', to: [start] });
  to.push(out.length);
  return true;
}

/** All threads step together, so each character costs at most one visit per instruction. */
function run(program: readonly Op[], text: string): boolean {
  let current = new Set<number>();
  for (let at = 0; at <= text.length; at += 1) {
    const before = at === 0 ? -1 : text.charCodeAt(at - 1);
    const after = at === text.length ? -1 : text.charCodeAt(at);
    const reached = new Set<number>();
    // The pattern is unanchored: a new thread starts at every position.
    if (follow(program, [...current, 0], reached, before, after)) return true;
    current = step(program, reached, after);
  }
  return false;
}

function follow(program: readonly Op[], from: number[], reached: Set<number>, before: number, after: number): boolean {
  const open = from;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (reached.has(at)) continue;
    reached.add(at);
    const op = program[at];
    if (op?.op === 'match') return true;
    if (op?.op === 'split') open.push(...op.to);
    if (op?.op === 'assert' && op.holds(before, after)) open.push(at + 1);
  }
  return false;
}

function step(program: readonly Op[], reached: ReadonlySet<number>, code: number): Set<number> {
  const next = new Set<number>();
  for (const at of reached) {
    const op = program[at];
    if (op?.op === 'char' && code >= 0 && op.accepts(code)) next.add(at + 1);
  }
  return next;
}
