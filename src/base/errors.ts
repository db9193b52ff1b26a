/**
 * The closed family of our errors. A thrown `TandemError` has a stable code and ends with what to do;
 * anything else that is thrown is a bug.
 */
export interface ErrorRow<M> {
  /** HTTP status when the error reaches an HTTP client. */
  readonly status: number;
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
  readonly says: (message: M) => string;
}

export class TandemError extends Error {
  override readonly name = 'TandemError';
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;

  constructor(code: string, row: { status: number; retryable: boolean }, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = row.status;
    this.retryable = row.retryable;
  }
}

type Rows = Record<string, ErrorRow<never>>;
type MessageOf<R> = R extends ErrorRow<infer M> ? M : never;

/**
 * Makes one table of errors: `const errors = table({ 'code': { status, retryable, says } })`,
 * then `throw errors('code', { ... }, cause)`.
 */
export function table<T extends Rows>(rows: T) {
  return Object.assign(
    <C extends keyof T & string>(code: C, message: MessageOf<T[C]>, cause?: unknown): TandemError => {
      const row = rows[code] as unknown as ErrorRow<MessageOf<T[C]>>;
      return new TandemError(code, row, row.says(message), cause);
    },
    { rows },
  );
}

/** The text of anything thrown, with its causes: for a log line or a message, never for a decision. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${describeError(error.cause)}`;
  return `${error.message}${cause}`;
}
