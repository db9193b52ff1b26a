import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const checking = process.argv.includes('--check');

/** Writes a generated file, or with `--check` says that it is not current and makes the process end with 1. */
export function emit(path: string, content: string): void {
  if (current(path) === content) return;
  if (checking) {
    process.stderr.write(`${path} is not current: run \`make gen\` and commit the result\n`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  process.stdout.write(`wrote ${path}\n`);
}

function current(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
