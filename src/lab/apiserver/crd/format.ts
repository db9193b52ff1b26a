/** String formats that apiextensions knows and that can be told from the text alone; others are not checked, as there. */
import { isIP } from 'node:net';
import { type FieldError, invalid } from '../field-error.js';

const checks: Readonly<Record<string, (value: string) => boolean>> = {
  'date-time': (value) =>
    /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value)),
  date: (value) => /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)),
  uuid: (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(value),
  ipv4: (value) => isIP(value) === 4,
  ipv6: (value) => isIP(value) === 6,
  byte: (value) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
  uri: (value) => URL.canParse(value),
};

export function* formatErrors(format: string, value: string, at: string): Generator<FieldError> {
  const check = checks[format];
  if (check !== undefined && !check(value)) {
    yield invalid(at, value, `${at} in body must be of type ${format}: ${JSON.stringify(value)}`);
  }
}
