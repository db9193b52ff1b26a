import { parseDocument } from 'yaml';
import type { ModelServing } from '../../api/types.js';
import { asText, isObject } from '../../base/json.js';
import { withoutSlash } from '../../base/path.js';
import type { Profiles } from '../profiles/types.js';
import { listAt, objectAt, textAt } from '../reading/shape.js';

/** Texts of a ConfigMap by key, by the name of the ConfigMap; all of one namespace. */
export type ConfigMaps = ReadonlyMap<string, Readonly<Record<string, string>>>;

type Json = Readonly<Record<string, unknown>>;
type Pod = { readonly spec: unknown; readonly maps: ConfigMaps; readonly files: ReadonlyMap<string, string> };

/** More than this is no configuration of an engine. */
const longestText = 65_536;
const mostVariables = 512;

/**
 * The serving with what its engines are told by ConfigMaps at hand written out, for checks to read: variables by reference
 * and by `envFrom`, and a configuration file that a variable of a connector names. A ConfigMap that is not at hand leaves
 * its references as they are, and the object itself is not changed.
 */
export function withConfigMaps(serving: ModelServing, maps: ConfigMaps, { connectors }: Profiles): ModelServing {
  if (maps.size === 0) return serving;
  const files = new Map(connectors.flatMap(({ configFile: f }) => (f ? [[f.variable, f.prefix] as const] : [])));
  const told = (pod: Json): Json =>
    changed(pod, 'spec', (spec) => each(spec, 'containers', (one) => container(one, { spec, maps, files })));
  const ofRole = (role: Json) => changed(changed(role, 'entryTemplate', told), 'workerTemplate', told);
  const ofSpec = (spec: Json) => changed(spec, 'template', (template) => each(template, 'roles', ofRole));
  return changed(serving, 'spec', ofSpec) as unknown as ModelServing;
}

/** The object with one member, itself an object, replaced by what becomes of it. */
function changed(value: unknown, key: string, change: (member: Json) => Json): Json {
  const member = objectAt(value, key);
  return member === undefined ? (value as Json) : { ...(value as Json), [key]: change(member) };
}

/** The object with each object of a list replaced by what becomes of it. */
function each(value: Json, key: string, change: (member: Json) => Json): Json {
  const list = value[key];
  if (!Array.isArray(list)) return value;
  return { ...value, [key]: list.map((one: unknown) => (isObject(one) ? change(one) : one)) };
}

function container(one: Json, pod: Pod): Json {
  const written = listAt(one, 'env').map((entry) => resolved(entry, pod.maps));
  const names = new Set(written.map((entry) => textAt(entry, 'name')));
  // A variable of env counts more, and sees those of envFrom.
  const from = [...fromWhole(one, pod.maps)]
    .filter(([name]) => !names.has(name))
    .map(([name, value]) => ({ name, value }));
  const env = withFiles([...from, ...written], one, pod);
  return env.length > 0 ? { ...one, env } : one;
}

function resolved(entry: unknown, maps: ConfigMaps): unknown {
  const from = objectAt(objectAt(entry, 'valueFrom'), 'configMapKeyRef');
  const value = textIn(maps, textAt(from, 'name'), textAt(from, 'key'));
  return value === undefined ? entry : { name: textAt(entry, 'name'), value };
}

function textIn(maps: ConfigMaps, name = '', key = ''): string | undefined {
  const data = maps.get(name);
  const text = data !== undefined && Object.hasOwn(data, key) ? data[key] : undefined;
  return typeof text === 'string' && text.length <= longestText ? text : undefined;
}

/** Variables of whole ConfigMaps; a later one counts more. A Secret beside them is taken to hold other names. */
function fromWhole(one: Json, maps: ConfigMaps): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const source of listAt(one, 'envFrom')) {
    const data = maps.get(textAt(objectAt(source, 'configMapRef'), 'name') ?? '') ?? {};
    for (const key of Object.keys(data).slice(0, mostVariables)) {
      const value = textIn(maps, textAt(objectAt(source, 'configMapRef'), 'name'), key);
      if (value !== undefined) found.set(`${textAt(source, 'prefix') ?? ''}${key}`, value);
    }
  }
  return found;
}

/** A configuration file at hand makes its library ignore variables: its members become them, and it is named no more. */
function withFiles(env: readonly unknown[], one: Json, pod: Pod): readonly unknown[] {
  const named = env.findLast((entry) => pod.files.has(textAt(entry, 'name') ?? ''));
  const prefix = pod.files.get(textAt(named, 'name') ?? '');
  const members = prefix === undefined ? undefined : membersOf(mountedText(textAt(named, 'value') ?? '', one, pod));
  if (prefix === undefined || members === undefined) return env;
  const said = members.map(([key, value]) => ({ name: `${prefix}${key.toUpperCase()}`, value }));
  return [...env.filter((entry) => !(textAt(entry, 'name') ?? '').startsWith(prefix)), ...said];
}

/** What a file of the container says, where a ConfigMap at hand is mounted there. */
function mountedText(path: string, one: Json, { spec, maps }: Pod): string | undefined {
  for (const mount of listAt(one, 'volumeMounts')) {
    const at = withoutSlash(textAt(mount, 'mountPath') ?? '');
    const subPath = textAt(mount, 'subPath');
    const file =
      path === at
        ? subPath
        : subPath === undefined && path.startsWith(`${at}/`)
          ? path.slice(at.length + 1)
          : undefined;
    if (file === undefined) continue;
    const volume = listAt(spec, 'volumes').find((other) => textAt(other, 'name') === textAt(mount, 'name'));
    const source = objectAt(volume, 'configMap');
    const item = listAt(source, 'items').find((other) => textAt(other, 'path') === file);
    return textIn(maps, textAt(source, 'name'), textAt(item, 'key') ?? file);
  }
  return undefined;
}

/** Members of a YAML file as the texts of variables; undefined when it cannot be read. */
function membersOf(text: string | undefined): readonly (readonly [string, string])[] | undefined {
  if (text === undefined) return undefined;
  const document = parseDocument(text);
  if (document.errors.length > 0) return undefined;
  try {
    const read: unknown = document.toJS({ maxAliasCount: 0 });
    return isObject(read)
      ? Object.entries(read)
          .slice(0, mostVariables)
          .map(([key, value]) => [key, spelled(value)] as const)
      : undefined;
  } catch {
    return undefined; // aliases are not read: what the file says stays unknown
  }
}

const spelled = (value: unknown): string => (Array.isArray(value) ? value.map(asText).join(',') : asText(value));
