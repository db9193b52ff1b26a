import { isObject } from '../../base/json.js';
import type { Place, Segment } from './types.js';

/**
 * A place in a template for a person: `containers[vllm].env[POD_IP]`. List positions become the names of what stands there;
 * the leading `spec` is left out.
 */
export function spellPlace(place: Place, template: unknown): string {
  const [first, second] = place;
  const short = first === 'spec' && typeof second === 'string' && second !== 'schedulerName' && !special.test(second);
  let at = short ? step(template, 'spec') : template;
  let text = '';
  for (let index = short ? 1 : 0; index < place.length; index += 1) {
    const segment = place[index] as Segment;
    const next = step(at, segment);
    text += spellSegment(segment, next, text === '');
    at = next;
  }
  return text;
}

function spellSegment(segment: Segment, there: unknown, first: boolean): string {
  if (typeof segment === 'object') return `[${segment.is}]`;
  if (typeof segment === 'number') return `[${nameOf(there) ?? segment}]`;
  if (special.test(segment)) return `["${segment}"]`;
  return first ? segment : `.${segment}`;
}

const special = /[./]/;

const nameOf = (value: unknown): string | undefined =>
  isObject(value) && typeof value['name'] === 'string' ? value['name'] : undefined;

/** What stands at a place; undefined when nothing does. */
export const follow = (object: unknown, place: Place): unknown => place.reduce<unknown>(step, object);

function step(at: unknown, segment: Segment): unknown {
  if (typeof segment === 'object') return Array.isArray(at) ? at.find((entry) => matches(entry, segment)) : undefined;
  if (Array.isArray(at)) return typeof segment === 'number' ? at[segment] : undefined;
  return isObject(at) ? at[segment] : undefined;
}

const matches = (entry: unknown, { key, is }: { key: string; is: string | number }): boolean =>
  key === '' ? entry === is : isObject(entry) && entry[key] === is;

/** Path of names and positions in an object, with chosen entries resolved; undefined when it is not there. */
export function resolvePlace(object: unknown, place: Place): (string | number)[] | undefined {
  const path: (string | number)[] = [];
  let at = object;
  for (const segment of place) {
    const index: string | number =
      typeof segment === 'object'
        ? Array.isArray(at)
          ? at.findIndex((entry) => matches(entry, segment))
          : -1
        : segment;
    at = step(at, segment);
    if (at === undefined) return undefined;
    path.push(index);
  }
  return path;
}

const longest = 96;

/** A value in one short line: an environment entry by its value or field, other things as JSON. */
export function shorten(value: unknown): string {
  const simple = plain(value);
  const text = typeof simple === 'string' ? simple : (JSON.stringify(simple) ?? '');
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

function plain(value: unknown): unknown {
  if (!isObject(value) || typeof value['name'] !== 'string') return value;
  const { name, value: text, valueFrom, ...rest } = value;
  if (typeof text === 'string' && Object.keys(rest).length === 0) return text;
  const field = isObject(valueFrom) && isObject(valueFrom['fieldRef']) ? valueFrom['fieldRef']['fieldPath'] : undefined;
  if (typeof field === 'string') return `fieldRef ${field}`;
  return Object.keys(rest).length > 0 ? rest : name;
}
