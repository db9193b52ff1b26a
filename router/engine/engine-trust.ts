import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { describeError, table } from '../../src/base/errors.js';

export const trustErrors = table({
  'bad-engine-ca': {
    status: 500,
    retryable: false,
    says: (m: { file: string; why: string }) =>
      `cannot trust engines by ${m.file}: ${m.why}; give a PEM file of certificates with --engine-ca FILE`,
  },
});

/** Whom the router takes for an engine that speaks TLS. */
export type EngineTrust = Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized' | 'servername'>;

export interface TrustOptions {
  /** File of authorities, PEM; absent: Node's own list. */
  readonly ca?: string;
  /** The name that engines' certificates are made out to; absent: the pod's IP address. */
  readonly name?: string;
  /** Take any certificate. */
  readonly insecure?: boolean;
}

/** @throws bad-engine-ca */
export async function engineTrust({ ca: file, name, insecure = false }: TrustOptions): Promise<EngineTrust> {
  return {
    ...(file !== undefined && { ca: await readAuthorities(file) }),
    ...(name !== undefined && { servername: name }),
    ...(insecure && { rejectUnauthorized: false }),
  };
}

async function readAuthorities(file: string): Promise<string> {
  try {
    const pem = await readFile(file, 'utf8');
    new X509Certificate(pem); // throws when it is none
    return pem;
  } catch (error) {
    throw trustErrors('bad-engine-ca', { file, why: describeError(error) }, error);
  }
}

const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

/** Why there is no connection, and for TLS what to do about it. */
export function whyNoConnection(error: NodeJS.ErrnoException): string {
  const { code = '', message } = error;
  if (untrusted.has(code))
    return `its certificate is of an authority not known here (${message}): name it with --engine-ca`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is made out to somebody else (${message}): say to whom with --engine-name`;
  if (code.startsWith('CERT_')) return `its certificate cannot be used (${message}): renew it`;
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_'))
    return `it does not speak TLS as we do (${code}): see workloadPort.protocol of the ModelServer`;
  return message;
}
