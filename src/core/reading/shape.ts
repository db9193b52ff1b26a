import { asText, isObject } from '../../base/json.js';

/** Readers for objects that nobody has validated yet: a wrong shape reads as absent, never as an exception. */
export const objectAt = (value: unknown, key: string): Record<string, unknown> | undefined => {
  const member = isObject(value) ? value[key] : undefined;
  return isObject(member) ? member : undefined;
};

export const listAt = (value: unknown, key: string): readonly unknown[] => {
  const member = isObject(value) ? value[key] : undefined;
  return Array.isArray(member) ? member : [];
};

export const textAt = (value: unknown, key: string): string | undefined => {
  const member = isObject(value) ? value[key] : undefined;
  return typeof member === 'string' ? member : undefined;
};

export const textsAt = (value: unknown, key: string): readonly string[] => {
  const list = listAt(value, key);
  return list.every(isText) ? list : list.map(asText);
};

const isText = (item: unknown): item is string => typeof item === 'string';

export const countAt = (value: unknown, key: string): number | undefined => {
  const member = isObject(value) ? value[key] : undefined;
  return typeof member === 'number' && Number.isInteger(member) && member >= 0 ? member : undefined;
};

/** Value at a dotted path of members, e.g. `kv_connector_extra_config.prefill`. */
export function valueAt(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined), value);
}
