import { describeError, TandemError } from '../base/errors.js';

/** Tells a person on stderr what went wrong and what to do, and returns the exit code. A stack trace appears only for a bug. */
export function reportFailure(error: unknown): number {
  if (error instanceof TandemError) {
    process.stderr.write(`error ${error.code}: ${error.message}\n`);
    return 1;
  }
  const code = (error as { code?: unknown }).code;
  const status =
    error instanceof Error && error.name === 'KubeError'
      ? `error ${String(code ?? 'kubernetes')}: `
      : 'unexpected error: ';
  process.stderr.write(`${status}${describeError(error)}\n`);
  if (status.startsWith('unexpected') && error instanceof Error) {
    process.stderr.write(`${error.stack ?? ''}\nthis is a bug in tandem; please report it with the lines above\n`);
  }
  return 1;
}
