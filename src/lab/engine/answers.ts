/** Bodies that vLLM 0.32 was recorded to send when it refuses or fails (test/fixtures/vllm-0.32). */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown inside the engine to end a request with an answer that is not its text. */
export class Refusal extends Error {
  readonly answer: HttpAnswer;
  /** `schema`: refused before a request object existed; `request`: after it; `engine`: the engine core failed it. */
  readonly stage: 'schema' | 'request' | 'engine';

  constructor(stage: Refusal['stage'], answer: HttpAnswer) {
    super(answer.body);
    this.stage = stage;
    this.answer = answer;
  }
}

const errorBody = (message: string, type: string, param: string | null, code: number): HttpAnswer => ({
  status: code,
  body: JSON.stringify({ error: { message, type, param, code } }),
});

export const badRequest = (message: string, param: string | null = null, stage: 'schema' | 'request' = 'request') =>
  new Refusal(stage, errorBody(message, 'BadRequestError', param, 400));

/** A value that failed validation; `value` is shown the way Python shows it. */
export const badParameter = (message: string, param: string, value: string, stage: 'schema' | 'request' = 'request') =>
  badRequest(`${message} (parameter=${param}, value=${value})`, param, stage);

export const unknownModel = (model: string, known: readonly string[]) =>
  new Refusal(
    'request',
    errorBody(
      `The model \`${model}\` does not exist. Valid aliases: ${known.join(', ')}.`,
      'NotFoundError',
      'model',
      404,
    ),
  );

export const wrongContentType = () =>
  new Refusal(
    'schema',
    errorBody(
      "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
      'Bad Request',
      null,
      400,
    ),
  );

export interface SchemaError {
  readonly type: string;
  /** Dotted path, e.g. `body.max_tokens`. */
  readonly loc: string;
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: string;
}

export function schemaErrors(errors: readonly SchemaError[]): Refusal {
  const lines = errors.map(({ type, loc, msg, input, ctx }) => {
    const tail = ctx === undefined ? '' : `, 'ctx': ${ctx}`;
    return `  {'type': '${type}', 'loc': '${loc}', 'msg': '${msg}', 'input': '${pythonText(input)}'${tail}}`;
  });
  const title = errors.length === 1 ? '1 validation error:' : `${errors.length} validation errors:`;
  return new Refusal('schema', errorBody([title, ...lines].join('\n'), 'Bad Request', errors[0]?.loc ?? null, 400));
}

/** What a request gets whose KV could not be loaded: the engine stays healthy. */
export const internalError = () =>
  new Refusal('engine', errorBody('Internal server error', 'InternalServerError', null, 500));

/** What every request gets when the engine core has died. */
export const engineDead = () =>
  new Refusal(
    'engine',
    errorBody(
      'EngineCore encountered an issue. See stack trace (above) for the root cause.',
      'InternalServerError',
      null,
      500,
    ),
  );

export const notFound: HttpAnswer = { status: 404, body: '{"detail":"Not Found"}' };
export const methodNotAllowed = (allow: string): HttpAnswer => ({
  status: 405,
  body: '{"detail":"Method Not Allowed"}',
  headers: { allow },
});
export const scaleOutDisabled: HttpAnswer = errorBody(
  'Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them.',
  'PermissionDeniedError',
  null,
  403,
);
/** A route of the real engine that the simulator does not answer. */
export const notSimulated = (path: string): HttpAnswer =>
  errorBody(
    `The engine simulator does not answer ${path}; use /v1/chat/completions or /v1/completions.`,
    'NotImplementedError',
    null,
    501,
  );

/** Python's `str()` of a JSON value, with containers counted instead of shown, as vLLM's error handler does. */
export function pythonText(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value)) return `<list of ${value.length} items>`;
  if (typeof value === 'object') return `<dict of ${Object.keys(value).length} items>`;
  return String(value);
}

/** A number as Python prints a float: `-1` becomes `-1.0`. */
export const pythonFloat = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));
