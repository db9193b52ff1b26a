import { isObject } from '../../base/json.js';

export type Values = Readonly<Record<string, string | number>>;

/** Text with `{name}` replaced by what it stands for; an unknown name stays as written. */
export const fillText = (text: string, values: Values): string =>
  text.replace(/\{([A-Za-z.]+)\}/g, (written, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : written,
  );

/** A JSON skeleton with its texts filled; a text that is one placeholder becomes the value itself, so a number stays one. */
export function fillJson(skeleton: unknown, values: Values): unknown {
  if (Array.isArray(skeleton)) return skeleton.map((item) => fillJson(item, values));
  if (isObject(skeleton)) {
    return Object.fromEntries(Object.entries(skeleton).map(([key, value]) => [key, fillJson(value, values)]));
  }
  if (typeof skeleton !== 'string') return skeleton;
  const whole = /^\{([A-Za-z.]+)\}$/.exec(skeleton)?.[1];
  return whole !== undefined && Object.hasOwn(values, whole) ? values[whole] : fillText(skeleton, values);
}
