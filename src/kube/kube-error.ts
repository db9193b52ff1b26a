import { TandemError } from '../base/errors.js';
import { isObject } from '../base/json.js';

export interface StatusCause {
  readonly field?: string;
  readonly message?: string;
  readonly reason?: string;
}

/** The `Status` object that an API server sends with a refusal. */
export interface KubeStatus {
  readonly message: string;
  readonly reason: string;
  readonly causes: readonly StatusCause[];
  /** Seconds, from `details.retryAfterSeconds` or the Retry-After header. */
  readonly retryAfter: number | undefined;
}

const advice: Readonly<Record<string, string>> = {
  Unauthorized: 'renew the credentials of the kubeconfig or service account',
  Forbidden: 'grant this right, as the roles in config/rbac do',
  NotFound: 'check name and namespace, and that the CRDs of config/crd are applied',
  Conflict: 'read the object again and repeat the change',
  Invalid: 'correct the named field',
  AlreadyExists: 'use the existing object or delete it first',
};

/** A refusal by the API server, with what its `Status` says. */
export class KubeError extends TandemError {
  readonly reason: string;
  readonly causes: readonly StatusCause[];
  readonly retryAfter: number | undefined;
  /** The server's own sentence. */
  readonly said: string;

  constructor(status: number, request: string, answer: KubeStatus) {
    const fix = advice[answer.reason] ?? 'see the API server for the reason';
    super(
      'kube-refused',
      { status, retryable: status === 409 || status === 429 || status >= 500 },
      `${answer.message} (${request}: ${status} ${answer.reason}); ${fix}`,
    );
    this.reason = answer.reason;
    this.causes = answer.causes;
    this.retryAfter = answer.retryAfter;
    this.said = answer.message;
  }
}

/** Reads the body of a refusal; a proxy between us and the server may have written anything. */
export function readStatus(text: string, retryAfterHeader: string | undefined, status: number): KubeStatus {
  const body = parse(text);
  const details = isObject(body['details']) ? body['details'] : {};
  const seconds = Number(details['retryAfterSeconds'] ?? retryAfterHeader);
  return {
    message: typeof body['message'] === 'string' ? body['message'] : text.slice(0, 300) || `status ${status}`,
    reason: typeof body['reason'] === 'string' && body['reason'] !== '' ? body['reason'] : `Http${status}`,
    causes: Array.isArray(details['causes']) ? details['causes'].filter(isObject) : [],
    retryAfter: Number.isFinite(seconds) ? seconds : undefined,
  };
}

const has = (status: number, reason?: string) => (error: unknown) =>
  error instanceof KubeError && error.status === status && (reason === undefined || error.reason === reason);

export const isNotFound = has(404);
export const isAlreadyExists = has(409, 'AlreadyExists');
/** The object changed, or its uid is another one: a precondition failed. */
export const isConflict = has(409, 'Conflict');
/** The resourceVersion or continue token is too old: list again. */
export const isGone = has(410);

function parse(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return isObject(body) ? body : {};
  } catch {
    return {}; // not JSON: the text itself becomes the message
  }
}
