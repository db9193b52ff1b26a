import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A folder of a test's own, gone when the test ends. */
export async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tandem-kube-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}
