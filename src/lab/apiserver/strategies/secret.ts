/** Secrets: `stringData` is written into `data` in base64 and forgotten. */
import { type FieldError, forbidden, required } from '../field-error.js';
import { dictOf, isDict, type Obj, same, textOf } from '../object.js';
import type { Strategy } from '../resource-type.js';
import { child } from './defaulting.js';

const neededKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
};

export const secretStrategy: Strategy = {
  allowUnconditionalUpdate: true,
  defaults(secret) {
    secret['type'] ??= 'Opaque';
    const texts = secret['stringData'];
    if (!isDict(texts)) return;
    const data = child(secret, 'data');
    for (const [key, value] of Object.entries(texts)) data[key] = Buffer.from(textOf(value)).toString('base64');
    delete secret['stringData'];
  },
  validate(secret: Obj, old?: Obj): FieldError[] {
    const data = dictOf(secret['data']);
    const errors = (neededKeys[textOf(secret['type'])] ?? [])
      .filter((key) => data[key] === undefined)
      .map((key) => required(`data[${key}]`));
    if (old?.['immutable'] === true && !same(old['data'], secret['data'])) {
      errors.push(forbidden('data', 'field is immutable when `immutable` is set'));
    }
    return errors;
  },
  fields: (secret) => ({ type: textOf(secret['type']) }),
};
