/**
 * Refusals as `metav1.Status`, worded as the real server words them (apimachinery `pkg/api/errors`): kubectl and our own
 * client read reason, code, message and details.
 */
import { TandemError } from '../../base/errors.js';
import { type FieldError, textOfError } from './field-error.js';

export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** What names a kind in a refusal. */
export interface Named {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

export class ApiError extends TandemError {
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(status: number, reason: string, message: string, details?: StatusDetails) {
    super(`api-${status}`, { status, retryable: status === 409 || status === 429 || status >= 500 }, message);
    this.reason = reason;
    this.details = details;
  }

  /** The body that goes on the wire. */
  get body() {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.status,
    };
  }
}

const qualified = ({ group, plural }: Named): string => (group === '' ? plural : `${plural}.${group}`);
const detailsOf = ({ group, plural }: Named, name: string): StatusDetails => ({
  ...(name === '' ? {} : { name }),
  ...(group === '' ? {} : { group }),
  kind: plural,
});

export const notFound = (type: Named, name: string): ApiError =>
  new ApiError(404, 'NotFound', `${qualified(type)} "${name}" not found`, detailsOf(type, name));

export const alreadyExists = (type: Named, name: string): ApiError =>
  new ApiError(409, 'AlreadyExists', `${qualified(type)} "${name}" already exists`, detailsOf(type, name));

export const conflict = (type: Named, name: string, why: string): ApiError =>
  new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(type)} "${name}": ${why}`,
    detailsOf(type, name),
  );

export const modified = (type: Named, name: string): ApiError =>
  conflict(type, name, 'the object has been modified; please apply your changes to the latest version and try again');

export const forbiddenBy = (type: Named, name: string, why: string): ApiError =>
  new ApiError(
    403,
    'Forbidden',
    `${qualified(type)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`,
    detailsOf(type, name),
  );

export function invalidObject(type: Named, name: string, errors: readonly FieldError[]): ApiError {
  const kind = type.group === '' ? type.kind : `${type.kind}.${type.group}`;
  const texts = [...new Set(errors.map(textOfError))];
  const all = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return new ApiError(422, 'Invalid', `${kind} "${name}" is invalid: ${all}`, {
    ...(name === '' ? {} : { name }),
    ...(type.group === '' ? {} : { group: type.group }),
    kind: type.kind,
    causes: errors.map(({ reason, body, field }) => ({ reason, message: body, field })),
  });
}

export const badRequest = (message: string): ApiError => new ApiError(400, 'BadRequest', message);

export const expired = (message: string): ApiError => new ApiError(410, 'Expired', message);

export const methodNotAllowed = (): ApiError =>
  new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

export const noSuchResource = (): ApiError =>
  new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});

export const internal = (why: string): ApiError =>
  new ApiError(500, 'InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] });

export const tooLarge = (limit: number): ApiError =>
  new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`);

/** What a real cluster has and the lab has not, by name. */
export const notImplemented = (what: string): ApiError =>
  new ApiError(501, 'NotImplemented', `the lab's API server does not support ${what}; use a real cluster for that`);
