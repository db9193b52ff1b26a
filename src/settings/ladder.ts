import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { describeError, table } from '../base/errors.js';
import { isObject } from '../base/json.js';
import { defaultLadder, type Ladder, type LadderSettings, ladderFrom } from '../core/placement/topology.js';

export const ladderErrors = table({
  'ladder-unreadable': {
    status: 500,
    retryable: false,
    says: (m: { file: string; why: string }) => `cannot read --ladder ${m.file}: ${m.why}; name a readable YAML file`,
  },
  'ladder-invalid': {
    status: 500,
    retryable: false,
    says: (m: { file: string; where: string; want: string }) =>
      `--ladder ${m.file}: ${m.where} must be ${m.want}; docs/placement.md has an example`,
  },
});

/** Costs and label keys from a YAML file, laid over the default ladder; the default alone when no file is named. */
export async function loadLadder(file: string | undefined): Promise<Ladder> {
  if (file === undefined) return defaultLadder;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw ladderErrors('ladder-unreadable', { file, why: describeError(error) }, error);
  }
  return ladderFrom(parseLadder(text, file));
}

/** Throws `ladder-invalid` naming the first member that is wrong; members that are not known are wrong. */
export function parseLadder(text: string, file: string): LadderSettings {
  const document = parseDocument(text);
  const [problem] = document.errors;
  const wrong = (where: string, want: string) => ladderErrors('ladder-invalid', { file, where, want });
  if (problem !== undefined) throw wrong('it', `YAML (${problem.message.split('\n')[0]})`);
  const value: unknown = document.toJS() ?? {};
  if (!isObject(value)) throw wrong('it', 'a mapping with costs and sources');
  const stranger = Object.keys(value).find((key) => key !== 'costs' && key !== 'sources');
  if (stranger !== undefined) throw wrong(stranger, 'left out: only costs and sources are known');
  const known = defaultLadder.rungs.map(({ level }) => level as string);
  check(value['costs'], 'costs', { known: [...known, 'beyond'], want: 'a number from 0', isRight: isCost }, wrong);
  check(value['sources'], 'sources', { known, want: 'a list of node label keys', isRight: isKeyList }, wrong);
  return value;
}

interface Shape {
  readonly known: readonly string[];
  readonly want: string;
  readonly isRight: (value: unknown) => boolean;
}

function check(value: unknown, where: string, shape: Shape, wrong: (where: string, want: string) => Error): void {
  if (value === undefined) return;
  if (!isObject(value)) throw wrong(where, `a mapping of ${shape.known.join(', ')}`);
  for (const [key, member] of Object.entries(value)) {
    if (!shape.known.includes(key)) throw wrong(`${where}.${key}`, `one of ${shape.known.join(', ')}`);
    if (!shape.isRight(member)) throw wrong(`${where}.${key}`, shape.want);
  }
}

const isCost = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;

const isKeyList = (value: unknown): boolean =>
  Array.isArray(value) && value.every((key) => typeof key === 'string' && key !== '');
