import { readFile } from 'node:fs/promises';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { Node } from '../../api/kube.js';
import { type Level, levels, topologyLabel } from '../../api/names.js';
import { table } from '../../base/errors.js';
import { isObject } from '../../base/json.js';
import { parseQuantity } from '../../base/quantity.js';

export const fleetErrors = table({
  'bad-nodes-file': {
    status: 500,
    retryable: false,
    says: (m: { file: string; problems: readonly string[] }) =>
      `the nodes file ${m.file} cannot be used:\n${m.problems.map((problem) => `  ${problem}`).join('\n')}\ncorrect it, or leave out --nodes to get the default fleet`,
  },
  'no-nodes-file': {
    status: 500,
    retryable: false,
    says: (m: { file: string }) =>
      `there is no nodes file ${m.file}; name an existing one with --nodes FILE, or leave the flag out to get the default fleet`,
  },
});

/** The fleet of the repository: GPU and NPU racks of several leaves. */
export const defaultNodesFile: URL = new URL('../../../../config/lab/nodes.yaml', import.meta.url);

export async function loadFleet(file: string | URL = defaultNodesFile): Promise<readonly Node[]> {
  const name = file instanceof URL ? file.pathname : file;
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw fleetErrors('no-nodes-file', { file: name }, error);
    throw error;
  });
  return parseFleet(text, name);
}

/** Node objects as a kubelet would register them, without addresses; every mistake in the text is reported at once. */
export function parseFleet(text: string, file: string): readonly Node[] {
  const source = new Source(text);
  const nodes = source.problems.length === 0 ? readFleet(source) : [];
  if (source.problems.length > 0) throw fleetErrors('bad-nodes-file', { file, problems: source.problems });
  return nodes;
}

type Path = readonly (string | number)[];
type Dict = Readonly<Record<string, unknown>>;

/** A YAML text that can say on which line a path lies, and collects what is wrong with it. */
class Source {
  readonly problems: string[] = [];
  readonly root: unknown;
  readonly #document;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, uniqueKeys: true });
    for (const error of this.#document.errors) {
      const message = error.message.split('\n')[0] ?? 'broken YAML';
      this.problems.push(`line ${this.#lines.linePos(error.pos[0]).line}: ${message}`);
    }
    this.root = this.problems.length === 0 ? this.#document.toJS({ maxAliasCount: 100 }) : undefined;
  }

  problem(path: Path, message: string): void {
    this.problems.push(`line ${this.#lineOf(path)}: ${spell(path)}: ${message}`);
  }

  /** A mapping with only these keys; undefined, with problems noted, when it is not one. */
  mapping(value: unknown, path: Path, known?: readonly string[]): Dict | undefined {
    if (!isObject(value)) {
      this.problem(path, 'must be a mapping');
      return undefined;
    }
    for (const key of Object.keys(value)) {
      if (known && !known.includes(key)) this.problem([...path, key], `is not known here; known: ${known.join(', ')}`);
    }
    return value;
  }

  /** A mapping to texts; each value is shown to `check`, which says what is wrong with it. */
  texts(value: unknown, path: Path, check: (text: string, key: string) => string | undefined): Record<string, string> {
    if (value === undefined) return {};
    const read: Record<string, string> = {};
    for (const [key, entry] of Object.entries(this.mapping(value, path) ?? {})) {
      const text = typeof entry === 'string' || typeof entry === 'number' ? String(entry) : undefined;
      const wrong = text === undefined ? 'must be a text (put it in quotes)' : check(text, key);
      if (wrong !== undefined) this.problem([...path, key], wrong);
      if (text !== undefined) read[key] = text;
    }
    return read;
  }

  #lineOf(path: Path): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const node: unknown = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.#lines.linePos(node.range[0]).line;
    }
    return 1;
  }
}

const spell = (path: Path): string =>
  path.length === 0
    ? 'the file'
    : path.reduce<string>(
        (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${part}` : part),
        '',
      );

interface Kind {
  readonly capacity: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

function readFleet(source: Source): readonly Node[] {
  const root = source.mapping(source.root, [], ['region', 'groups', 'kinds']);
  if (!root) return [];
  const kinds = readKinds(source, root['kinds']);
  const region = readRegion(source, root['region']);
  const groups = root['groups'];
  if (!Array.isArray(groups) || groups.length === 0) {
    source.problem(['groups'], 'must be a list with at least one group of nodes');
    return [];
  }
  const nodes = groups.flatMap((group: unknown, index) => readGroup(source, group, ['groups', index], kinds, region));
  const names = new Set<string>();
  for (const node of nodes) {
    const name = node.metadata.name ?? '';
    if (names.has(name)) source.problem(['groups'], `two groups make a node called ${name}; rename one group`);
    names.add(name);
  }
  return nodes;
}

function readRegion(source: Source, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && labelValue(value) === undefined) return value;
  source.problem(['region'], 'must be a text that can be a label value');
  return undefined;
}

function readKinds(source: Source, value: unknown): ReadonlyMap<string, Kind> {
  const kinds = new Map<string, Kind>();
  if (value === undefined) return kinds;
  for (const [name, kind] of Object.entries(source.mapping(value, ['kinds']) ?? {})) {
    const path = ['kinds', name];
    const fields = source.mapping(kind, path, ['capacity', 'labels']) ?? {};
    kinds.set(name, readKind(source, fields, path));
  }
  return kinds;
}

const readKind = (source: Source, fields: Dict, path: Path): Kind => ({
  capacity: source.texts(fields['capacity'], [...path, 'capacity'], quantity),
  labels: source.texts(fields['labels'], [...path, 'labels'], labelValue),
});

function readGroup(
  source: Source,
  value: unknown,
  path: Path,
  kinds: ReadonlyMap<string, Kind>,
  region: string | undefined,
): readonly Node[] {
  const group = source.mapping(value, path, ['name', 'count', 'use', 'capacity', 'labels', 'levels']);
  if (!group) return [];
  const name = readName(source, group['name'], [...path, 'name']);
  const count = readCount(source, group['count'], [...path, 'count']);
  const base = readUse(source, group['use'], [...path, 'use'], kinds);
  if (name === undefined || count === undefined || base === undefined) return [];
  const own = readKind(source, group, path);
  const kind = { capacity: { ...base.capacity, ...own.capacity }, labels: { ...base.labels, ...own.labels } };
  for (const needed of ['cpu', 'memory', 'pods']) {
    if (kind.capacity[needed] === undefined) source.problem(path, `capacity says nothing of ${needed}; add it`);
  }
  const places = source.texts(group['levels'], [...path, 'levels'], level);
  const width = Math.max(2, String(count).length);
  return Array.from({ length: count }, (_, index) => {
    const node = `${name}-${String(index + 1).padStart(width, '0')}`;
    return nodeObject(node, kind, { ...(region !== undefined && { region }), ...places });
  });
}

function readName(source: Source, name: unknown, path: Path): string | undefined {
  if (typeof name === 'string' && /^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$/.test(name)) return name;
  source.problem(path, 'must be a name of lower-case letters, digits and "-", at most 60 long');
  return undefined;
}

function readCount(source: Source, count: unknown, path: Path): number | undefined {
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= 999) return count;
  source.problem(path, 'must be a whole number from 1 to 999');
  return undefined;
}

function readUse(source: Source, use: unknown, path: Path, kinds: ReadonlyMap<string, Kind>): Kind | undefined {
  if (use === undefined) return { capacity: {}, labels: {} };
  const kind = kinds.get(String(use));
  if (!kind)
    source.problem(path, `no kind is called "${String(use)}"; known: ${[...kinds.keys()].join(', ') || 'none'}`);
  return kind;
}

function nodeObject(name: string, kind: Kind, places: Readonly<Partial<Record<Level, string>>>): Node {
  const at = Object.entries(places).map(([level, value]) => [
    topologyLabel(level as Level),
    value.replaceAll('{node}', name),
  ]);
  const { zone, region } = places;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        ...(zone !== undefined && { 'topology.kubernetes.io/zone': zone.replaceAll('{node}', name) }),
        ...(region !== undefined && { 'topology.kubernetes.io/region': region.replaceAll('{node}', name) }),
        ...Object.fromEntries(at),
        ...kind.labels,
      },
    },
    spec: {},
    status: { capacity: kind.capacity, allocatable: kind.capacity },
  };
}

function quantity(text: string): string | undefined {
  const nano = parseQuantity(text);
  return nano === undefined || nano < 0n ? 'must be a quantity such as "8", 64Gi or 500m' : undefined;
}

function labelValue(text: string): string | undefined {
  return /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/.test(text)
    ? undefined
    : 'must be a label value: letters, digits, "-", "_" and ".", at most 63 long';
}

function level(text: string, key: string): string | undefined {
  if (!(levels as readonly string[]).includes(key)) return `is not a level; levels are ${levels.join(', ')}`;
  return labelValue(text.replaceAll('{node}', 'n'));
}
