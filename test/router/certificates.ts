/** Certificates for tests, of an authority that nobody else knows. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createAuthority, issueServing } from '../../src/certs/authority.js';

const validity = () => ({ notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 });

/** An authority of its own, and what it signs for these names and addresses. */
export async function authority() {
  const ca = await createAuthority('test', validity());
  const issue = async (...hosts: string[]) => {
    const { certificate: cert, key } = await issueServing(ca, { hosts, validity: validity() });
    return { cert, key };
  };
  return { ca: ca.certificate, issue };
}

/** Writes these texts into files of a folder that goes with the test; returns their paths. */
export async function filesOf<T extends Record<string, string>>(t: Test, texts: T): Promise<Record<keyof T, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-certificates-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const paths: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    const path = join(folder, name);
    await writeFile(path, text);
    paths[name] = path;
  }
  return paths as Record<keyof T, string>;
}
