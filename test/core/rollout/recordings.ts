/** Objects that Kthena's controller made on a real API server, and how ours are compared with them. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { ModelServing } from '../../../src/api/types.js';
import { canonicalJson, isObject } from '../../../src/base/json.js';

const folder = new URL('../../../../test/fixtures/kthena/', import.meta.url);

export const recordings = ['gpu', 'npu', 'multi'] as const;

/** Every recorded object of one serving by file name without its ending. */
export function recorded(serving: string): Map<string, Record<string, unknown>> {
  const files = readdirSync(new URL(`${serving}/`, folder)).filter((name) => name.endsWith('.yaml'));
  return new Map(
    files.map((name) => [name.slice(0, -5), parse(readFileSync(new URL(`${serving}/${name}`, folder), 'utf8'))]),
  );
}

/** The ModelServing as the API server stored it, with the uid that the recorded owner references name. */
export function recordedServing(serving: string): ModelServing {
  const [entry] = [...recorded(serving)].filter(([name]) => name.startsWith('modelserving-'));
  const stored = entry?.[1] as unknown as ModelServing;
  return { ...stored, metadata: { ...stored.metadata, uid: '<MS-UID>' } };
}

/**
 * Where `built` differs from what was recorded. A recorded field that we do not write is no difference when it is in
 * `added` with exactly that value (`*` stands for any list index or key, `any` for any value).
 */
export function differences(
  built: unknown,
  seen: unknown,
  added: Readonly<Record<string, unknown>>,
  path = '',
): string[] {
  if (isObject(built) && isObject(seen)) {
    const keys = new Set([...Object.keys(built), ...Object.keys(seen)]);
    return [...keys].flatMap((key) => differences(built[key], seen[key], added, path === '' ? key : `${path}.${key}`));
  }
  if (Array.isArray(built) && Array.isArray(seen) && built.length === seen.length) {
    return built.flatMap((item, index) => differences(item, seen[index], added, `${path}.${index}`));
  }
  // Quantities are text after the API server has read them.
  if (/\.(limits|requests|minResources)\./.test(path) && String(built) === String(seen)) return [];
  if (canonicalJson(built) === canonicalJson(seen)) return [];
  const pattern = path.replace(/\.\d+(?=\.|$)/g, '.*');
  const allowed = added[pattern];
  if (built === undefined && pattern in added && (allowed === any || canonicalJson(allowed) === canonicalJson(seen)))
    return [];
  return [`${path}: built ${canonicalJson(built)}, recorded ${canonicalJson(seen)}`];
}

export const any = Symbol('any value');
