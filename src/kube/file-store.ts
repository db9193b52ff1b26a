/** The same stores from a file instead of a cluster: multi-document YAML, read again when it changes. */
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { LineCounter, parseAllDocuments } from 'yaml';
import { describeError, table } from '../base/errors.js';
import { canonicalJson, isObject } from '../base/json.js';
import type { Logger } from '../telemetry/log.js';
import type { RawObject } from './client.js';
import { ObjectMap } from './object-map.js';
import { apiVersionOf, type Resource } from './resources.js';
import type { ObjectStore } from './store.js';

export const objectFileErrors = table({
  'objects-unreadable': {
    status: 500,
    retryable: false,
    says: (m: { path: string; why: string }) =>
      `cannot read ${m.path}: ${m.why}; name a readable YAML file with --objects FILE`,
  },
  'objects-invalid': {
    status: 500,
    retryable: false,
    says: (m: { path: string; line: number; column: number; why: string }) =>
      `${m.path}:${m.line}:${m.column}: ${m.why}; correct the file, it is read again when it changes`,
  },
});

export interface ObjectFile {
  /** All objects of one kind in the file; the same store for the same kind. */
  store<T extends RawObject>(resource: Resource): ObjectStore<T>;
  /** Reads the file again, unless its text is unchanged. Rejects when it cannot be used; the last good content stays. */
  reread(): Promise<void>;
}

export interface ObjectFileOptions {
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Milliseconds between looks at the file beside change notices, which some file systems do not send. Default 2000. */
  readonly pollEvery?: number;
}

/** Rejects when the file cannot be read or parsed at first; later errors are logged with their position. */
export async function openObjectFile(path: string, options: ObjectFileOptions): Promise<ObjectFile> {
  const file = new StoredFile(path, options);
  await file.reread();
  followFile(path, () => void file.look(), options);
  return file;
}

class StoredFile implements ObjectFile {
  readonly #path: string;
  readonly #options: ObjectFileOptions;
  readonly #stores = new Map<string, { resource: Resource; map: ObjectMap<RawObject> }>();
  #objects: readonly RawObject[] = [];
  #text: string | undefined;
  #lastError = '';

  constructor(path: string, options: ObjectFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  store<T extends RawObject>(resource: Resource): ObjectStore<T> {
    const key = `${apiVersionOf(resource)}/${resource.kind}`;
    let entry = this.#stores.get(key);
    if (entry === undefined) {
      const { logger } = this.#options;
      entry = { resource, map: new ObjectMap<RawObject>({ logger, same: sameContent }) };
      this.#stores.set(key, entry);
      this.#fill(entry.resource, entry.map);
    }
    return entry.map as unknown as ObjectStore<T>;
  }

  async reread(): Promise<void> {
    const path = this.#path;
    const next = await readFile(path, 'utf8').catch((error: unknown) => {
      throw objectFileErrors('objects-unreadable', { path, why: describeError(error) }, error);
    });
    if (next === this.#text || this.#options.signal.aborted) return;
    this.#objects = parseObjects(next, path);
    this.#text = next;
    this.#lastError = '';
    for (const { resource, map } of this.#stores.values()) this.#fill(resource, map);
  }

  /** A change notice: an error is told once, and the last good content stays. */
  async look(): Promise<void> {
    try {
      await this.reread();
    } catch (error) {
      const message = describeError(error);
      if (message !== this.#lastError) {
        this.#options.logger.error({ path: this.#path }, `${message} (the last good content stays in use)`);
      }
      this.#lastError = message;
    }
  }

  #fill(resource: Resource, map: ObjectMap<RawObject>): void {
    map.replaceAll(this.#objects.filter((object) => isOf(resource, object)).map((object) => placed(resource, object)));
  }
}

/** Every object of a multi-document YAML text; lists are opened. Throws with line and column. */
export function parseObjects(text: string, path: string): readonly RawObject[] {
  const lines = new LineCounter();
  const found: RawObject[] = [];
  const invalid = (offset: number, why: string) => {
    const { line, col } = lines.linePos(offset);
    return objectFileErrors('objects-invalid', { path, line, column: col, why });
  };
  for (const document of parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })) {
    const error = document.errors[0];
    if (error !== undefined) throw invalid(error.pos[0], error.message);
    const value: unknown = document.toJS();
    if (value === null || value === undefined) continue;
    for (const object of opened(value)) {
      const why = whyNotObject(object);
      if (why !== undefined) throw invalid(document.contents?.range?.[0] ?? 0, why);
      found.push(object as RawObject);
    }
  }
  return found;
}

function opened(value: unknown): readonly unknown[] {
  const isList = isObject(value) && typeof value['kind'] === 'string' && value['kind'].endsWith('List');
  return isList && Array.isArray(value['items']) ? value['items'] : [value];
}

function whyNotObject(value: unknown): string | undefined {
  if (!isObject(value)) return 'a document is not a Kubernetes object';
  if (typeof value['apiVersion'] !== 'string') return 'apiVersion is missing';
  if (typeof value['kind'] !== 'string') return 'kind is missing';
  const { metadata } = value;
  return isObject(metadata) && typeof metadata['name'] === 'string' ? undefined : 'metadata.name is missing';
}

const isOf = (resource: Resource, object: RawObject): boolean =>
  object.kind === resource.kind && object.apiVersion === apiVersionOf(resource);

/** As an API server would store it: a namespaced object without a namespace is in `default`. */
function placed(resource: Resource, object: RawObject): RawObject {
  if (!resource.namespaced || object.metadata.namespace !== undefined) return object;
  return { ...object, metadata: { ...object.metadata, namespace: 'default' } };
}

const sameContent = (a: RawObject, b: RawObject): boolean => canonicalJson(a) === canonicalJson(b);

/**
 * Whether a change of this name in the folder may have changed the file: of its own name, or of the hidden link that a
 * mounted ConfigMap is replaced by. A log beside it is written a hundred times a second.
 */
export const concerns = (path: string, changed: string | null): boolean =>
  changed === null || changed === basename(path) || changed.startsWith('..');

/** Watches the folder, not the file: editors and mounted ConfigMaps replace the file or a link above it. */
function followFile(path: string, look: () => void, options: ObjectFileOptions): void {
  const timer = setInterval(look, options.pollEvery ?? 2000);
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), (_event, name) => {
      if (concerns(path, name)) look();
    });
    watcher.on('error', (error) => options.logger.warn({ path, error: describeError(error) }, 'polling the file only'));
  } catch (error) {
    options.logger.warn({ path: basename(path), error: describeError(error) }, 'polling the file only');
  }
  const end = () => {
    clearInterval(timer);
    watcher?.close();
  };
  if (options.signal.aborted) end();
  else options.signal.addEventListener('abort', end, { once: true });
}
