import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { Instant } from '../base/clock.js';
import type { Validity } from './rotate.js';

x509.cryptoProvider.set(webcrypto);

/** A certificate with its private key, both PEM (the key PKCS#8), and the time in which it is valid. */
export interface Issued extends Validity {
  readonly certificate: string;
  readonly key: string;
}

/** What a serving certificate answers for: DNS names and IP addresses, told apart by their spelling. */
export interface ServingRequest {
  readonly hosts: readonly string[];
  readonly validity: Validity;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Makes a self-signed CA, EC P-256. Every CA has its own name, so that two of them in one bundle are never confused. */
export async function createAuthority(name: string, validity: Validity): Promise<Issued> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name} ${randomBytes(4).toString('hex')}`,
    ...dates(validity),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return issued(certificate, keys.privateKey);
}

/** Makes a serving certificate for `hosts`, signed by `authority`. */
export async function issueServing(authority: Issued, request: ServingRequest): Promise<Issued> {
  const signer = new x509.X509Certificate(authority.certificate);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${(request.hosts[0] ?? 'tandem').slice(0, 64)}`,
    issuer: signer.subject,
    ...dates(request.validity),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        request.hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey),
    ],
  });
  return issued(certificate, keys.privateKey);
}

/** Reads a certificate and its key; throws when either is not PEM of the expected kind. */
export async function readIssued(certificate: string, key: string): Promise<Issued> {
  const parsed = new x509.X509Certificate(certificate);
  await importKey(key);
  return { certificate, key, ...validityOf(parsed) };
}

/** Short name of a certificate for log lines: the first 12 hex digits of its SHA-256. */
export function fingerprintOf(certificate: string): string {
  return createHash('sha256')
    .update(new Uint8Array(new x509.X509Certificate(certificate).rawData))
    .digest('hex')
    .slice(0, 12);
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [key] = x509.PemConverter.decode(pem);
  return await webcrypto.subtle.importKey('pkcs8', key ?? new ArrayBuffer(0), algorithm, true, ['sign']);
}

async function issued(certificate: x509.X509Certificate, privateKey: webcrypto.CryptoKey): Promise<Issued> {
  const key = await webcrypto.subtle.exportKey('pkcs8', privateKey);
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: `${x509.PemConverter.encode(key, 'PRIVATE KEY')}\n`,
    ...validityOf(certificate),
  };
}

const validityOf = (certificate: x509.X509Certificate): Validity => ({
  notBefore: certificate.notBefore.getTime() as Instant,
  notAfter: certificate.notAfter.getTime() as Instant,
});

const dates = ({ notBefore, notAfter }: Validity) => ({
  notBefore: new Date(notBefore),
  notAfter: new Date(notAfter),
});

/** A positive serial number: the first bit of a DER integer is its sign. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
