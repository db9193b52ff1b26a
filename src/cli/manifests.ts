import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LineCounter, parseAllDocuments } from 'yaml';
import { describeError, table } from '../base/errors.js';
import { isObject } from '../base/json.js';
import type { RawObject } from '../kube/client.js';
import { lineOfPath } from './yaml-lines.js';

export const manifestErrors = table({
  'manifest-unreadable': {
    status: 400,
    retryable: false,
    says: (m: { file: string; why: string }) => `cannot read ${m.file}: ${m.why}; check the path given with -f`,
  },
  'manifest-not-yaml': {
    status: 400,
    retryable: false,
    says: (m: { file: string; line: number; column: number; why: string }) =>
      `${m.file}:${m.line}:${m.column}: ${m.why}; mend the YAML at that place`,
  },
  'manifest-not-an-object': {
    status: 400,
    retryable: false,
    says: (m: { file: string; line: number; lacks: string }) =>
      `${m.file}:${m.line}: this document is not a Kubernetes object: it has no ${m.lacks}; every document needs apiVersion, kind and metadata.name`,
  },
});

export interface Manifest {
  readonly file: string;
  /** Line of the file on which the document begins, from 1. */
  readonly line: number;
  /** Line of the file, from 1, that a field path of the object is written on. */
  readonly lineOf: (path: string) => number;
  readonly object: RawObject & { readonly apiVersion: string; readonly kind: string };
}

/** All Kubernetes objects of the files, in order; `-` is standard input. The first thing that is wrong ends it, with its position. */
export function readManifests(files: readonly string[]): Manifest[] {
  return files.flatMap(filesIn).flatMap((file) => parseManifests(file, readText(file)));
}

/** A folder stands for its manifests, as for kubectl. */
function filesIn(path: string): string[] {
  if (path === '-' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name));
  if (names.length === 0)
    throw manifestErrors('manifest-unreadable', { file: path, why: 'the folder holds no *.yaml or *.json' });
  return names.sort().map((name) => join(path, name));
}

export function parseManifests(file: string, text: string): Manifest[] {
  const lines = new LineCounter();
  const manifests: Manifest[] = [];
  for (const document of parseAllDocuments(text, { lineCounter: lines })) {
    const [problem] = document.errors;
    if (problem) {
      const { line, col: column } = lines.linePos(problem.pos[0]);
      throw manifestErrors('manifest-not-yaml', {
        file,
        line,
        column,
        why: problem.message.split('\n')[0] ?? problem.code,
      });
    }
    const content = withoutNulls(document.toJS());
    if (content === null || content === undefined) continue;
    const { line } = lines.linePos(document.contents?.range?.[0] ?? document.range[0]);
    const lineOf = (path: string) => lineOfPath(document, lines, path);
    manifests.push({ file, line, lineOf, object: asObject(content, file, line) });
  }
  return manifests;
}

/** As an API server stores it: it drops a field whose value YAML leaves empty. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNulls(member)]));
}

function asObject(content: unknown, file: string, line: number): Manifest['object'] {
  const object: Record<string, unknown> = isObject(content) ? content : {};
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  const missing = [
    ['apiVersion', object['apiVersion']],
    ['kind', object['kind']],
    ['metadata.name', metadata['name'] ?? metadata['generateName']],
  ].find(([, value]) => typeof value !== 'string' || value === '');
  if (missing) throw manifestErrors('manifest-not-an-object', { file, line, lacks: String(missing[0]) });
  return object as unknown as Manifest['object'];
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw manifestErrors('manifest-unreadable', { file, why: describeError(error) }, error);
  }
}
