import { createHash } from 'node:crypto';
import { Value } from 'typebox/value';
import { type Document, isNode, LineCounter, parseAllDocuments } from 'yaml';
import { describeError } from '../../base/errors.js';
import { canonicalJson, isObject } from '../../base/json.js';
import { optionReferences } from './option-references.js';
import { profileSchemas } from './schema.js';
import type {
  AcceleratorProfile,
  ConnectorProfile,
  EngineProfile,
  ModelsProfile,
  NetworkProfile,
  Profile,
  Profiles,
} from './types.js';

/** One file of a profile folder; the name is used in messages only. */
export interface ProfileFile {
  readonly name: string;
  readonly text: string;
}

/** What is wrong at one place of a profile file. */
export interface ProfileProblem {
  readonly file: string;
  /** Line in the file, counted from 1. */
  readonly line: number;
  /** Path inside the document, e.g. `env[2].because`; empty for the document itself. */
  readonly path: string;
  readonly message: string;
}

export type ParsedProfiles =
  | { readonly ok: true; readonly profiles: Profiles }
  | { readonly ok: false; readonly problems: readonly ProfileProblem[] };

/** One line for a person: `config/profiles/x.yaml:12: env[2].because: must be string`. */
export const describeProblem = ({ file, line, path, message }: ProfileProblem): string =>
  `${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`;

/** Reads all files, or says everything that is wrong with them: a set with one broken file is not used in part. */
export function parseProfiles(files: readonly ProfileFile[]): ParsedProfiles {
  const problems: ProfileProblem[] = [];
  const found: Located[] = [];
  for (const file of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const outcome of readFile(file)) {
      if ('problem' in outcome) problems.push(outcome.problem);
      else found.push(outcome);
    }
  }
  problems.push(...twice(found), ...(problems.length === 0 ? unknownReferences(found) : []));
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, profiles: collect(found.map(({ profile }) => profile)) };
}

interface Located {
  readonly profile: Profile;
  readonly at: (path: readonly (string | number)[], message: string) => ProfileProblem;
}

function* readFile({ name, text }: ProfileFile): Iterable<Located | { problem: ProfileProblem }> {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  if (!Array.isArray(documents)) return;
  for (const document of documents as Document[]) {
    const at: Located['at'] = (path, message) => ({
      file: name,
      line: lines.linePos(offsetOf(document, path)).line,
      path: spell(path),
      message,
    });
    for (const error of document.errors) yield { problem: brokenYaml(name, lines, error) };
    if (document.errors.length === 0) yield* readDocument(document, at);
  }
}

function* readDocument(document: Document, at: Located['at']): Iterable<Located | { problem: ProfileProblem }> {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    yield { problem: at([], `${describeError(error)}; write the values out instead of using aliases`) };
    return;
  }
  if (value !== null) yield* check(value, at);
}

function brokenYaml(
  file: string,
  lines: LineCounter,
  error: { message: string; pos: [number, number] },
): ProfileProblem {
  const message = error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? 'broken YAML';
  return { file, line: lines.linePos(error.pos[0]).line, path: '', message };
}

function* check(value: unknown, at: Located['at']): Iterable<Located | { problem: ProfileProblem }> {
  const kind = isObject(value) ? value['kind'] : undefined;
  if (typeof kind !== 'string' || !Object.hasOwn(profileSchemas, kind)) {
    const want = Object.keys(profileSchemas).join(', ');
    yield { problem: at(['kind'], `a profile has one of the kinds ${want}; got ${JSON.stringify(kind) ?? 'nothing'}`) };
    return;
  }
  const schema = profileSchemas[kind as keyof typeof profileSchemas];
  const errors = [...Value.Errors(schema, value)].flatMap((error) => explain(error, schema, at));
  for (const problem of errors) yield { problem };
  if (errors.length === 0) yield { profile: value as Profile, at };
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

/** Alternatives of a union and the echo of a closed object say nothing that the remaining errors do not. */
function explain(error: SchemaError, schema: unknown, at: Located['at']): ProfileProblem[] {
  const path = segments(error.instancePath);
  const params = error.params as Record<string, unknown>;
  if (error.keyword === 'boolean' || error.keyword === 'const') return [];
  if (error.keyword === 'additionalProperties') {
    return list(params['additionalProperties']).map((name) =>
      at([...path, name], 'is not a field of a profile; remove it or correct its name'),
    );
  }
  if (error.keyword === 'required') {
    return list(params['requiredProperties']).map((name) => at(path, `the field "${name}" is missing; add it`));
  }
  const message = error.keyword === 'anyOf' ? choices(schema, path) : error.message;
  return [at(path, message)];
}

/** The words that a union of words at a path allows. */
function choices(schema: unknown, path: readonly (string | number)[]): string {
  const here = path.reduce<unknown>((part, key) => {
    if (!isObject(part)) return undefined;
    if (typeof key === 'number') return part['items'];
    return isObject(part['properties']) ? part['properties'][key] : undefined;
  }, schema);
  const options = isObject(here) && Array.isArray(here['anyOf']) ? here['anyOf'].filter(isObject) : [];
  const words = options.flatMap((option) => (typeof option['const'] === 'string' ? [option['const']] : []));
  return words.length > 0 ? `must be one of ${words.join(', ')}` : 'has a value that is not allowed here';
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

function segments(pointer: string): (string | number)[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part.replaceAll('~1', '/').replaceAll('~0', '~')));
}

const spell = (path: readonly (string | number)[]): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );

/** Offset of the node at a path, or of its nearest existing parent. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function* twice(found: readonly Located[]): Iterable<ProfileProblem> {
  const seen = new Set<string>();
  for (const { profile, at } of found) {
    const key = `${profile.kind} ${profile.name}`;
    if (seen.has(key)) yield at(['name'], `there is another ${key}; give one of them a different name`);
    seen.add(key);
  }
}

function* unknownReferences(found: readonly Located[]): Iterable<ProfileProblem> {
  const names = (kind: Profile['kind']) =>
    found.filter(({ profile }) => profile.kind === kind).map(({ profile }) => profile.name);
  const engines = new Set(names('engine'));
  const connectors = new Set(names('connector'));
  for (const { profile, at } of found) {
    if (profile.kind === 'accelerator' || profile.kind === 'connector')
      yield* unknown(profile.engines, ['engines'], 'engine', engines, at);
    if (profile.kind === 'accelerator') {
      yield* unknown(profile.connectors, ['connectors'], 'connector', connectors, at);
      for (const { path, message } of optionReferences(profile)) yield at(path, message);
    }
    if (profile.kind === 'network')
      yield* unknown(profile.give?.connectors ?? [], ['give', 'connectors'], 'connector', connectors, at);
  }
}

function* unknown(
  named: readonly string[],
  field: readonly string[],
  kind: Profile['kind'],
  known: ReadonlySet<string>,
  at: Located['at'],
): Iterable<ProfileProblem> {
  for (const [index, name] of named.entries()) {
    if (known.has(name)) continue;
    yield at([...field, index], `no ${kind} profile is called "${name}"; known: ${[...known].sort().join(', ')}`);
  }
}

function collect(all: readonly Profile[]): Profiles {
  const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  const of = <K extends Profile['kind']>(kind: K) => sorted.filter((profile) => profile.kind === kind);
  return {
    accelerators: of('accelerator') as AcceleratorProfile[],
    engines: of('engine') as EngineProfile[],
    connectors: of('connector') as ConnectorProfile[],
    models: of('models') as ModelsProfile[],
    networks: of('network') as NetworkProfile[],
    revision: createHash('sha256')
      .update(canonicalJson(sorted.map((profile) => [profile.kind, profile])))
      .digest('hex')
      .slice(0, 12),
  };
}
