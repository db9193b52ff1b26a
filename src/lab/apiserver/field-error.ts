/** One finding of validation, in the words of Kubernetes' `field.Error`. */
const titles = {
  FieldValueNotFound: 'Not found',
  FieldValueRequired: 'Required value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  FieldValueTypeInvalid: 'Invalid value',
} as const;

export interface FieldError {
  readonly reason: keyof typeof titles;
  readonly field: string;
  /** Everything after the field: `Invalid value: 3: must be ...`. */
  readonly body: string;
}

function make(reason: keyof typeof titles, field: string, value: string | undefined, detail: string): FieldError {
  const parts = [titles[reason] as string];
  if (value !== undefined) parts.push(value);
  if (detail !== '') parts.push(detail);
  return { reason, field, body: parts.join(': ') };
}

const shown = (value: unknown): string => JSON.stringify(value ?? null);

export const required = (field: string, detail = ''): FieldError =>
  make('FieldValueRequired', field, undefined, detail);
export const invalid = (field: string, value: unknown, detail: string): FieldError =>
  make('FieldValueInvalid', field, shown(value), detail);
export const typeInvalid = (field: string, value: unknown, detail: string): FieldError =>
  make('FieldValueTypeInvalid', field, shown(value), detail);
export const duplicate = (field: string, value: unknown): FieldError =>
  make('FieldValueDuplicate', field, shown(value), '');
export const forbidden = (field: string, detail: string): FieldError =>
  make('FieldValueForbidden', field, undefined, detail);
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError =>
  make('FieldValueNotSupported', field, shown(value), `supported values: ${supported.map(shown).join(', ')}`);
export const tooLong = (field: string, limit: number): FieldError =>
  make('FieldValueTooLong', field, undefined, `may not be more than ${limit} bytes`);
export const tooMany = (field: string, actual: number, limit: number): FieldError =>
  make('FieldValueTooMany', field, String(actual), `must have at most ${limit} item${limit === 1 ? '' : 's'}`);

export const textOfError = (error: FieldError): string => `${error.field}: ${error.body}`;
