import { describeError, TandemError } from '../base/errors.js';
import type { KubeClient, RawObject } from '../kube/client.js';
import { apiVersionOf, secrets } from '../kube/resources.js';
import type { Logger } from '../telemetry/log.js';
import type { AuthorityStore, HeldAuthorities } from './authorities.js';
import { type Issued, readIssued } from './authority.js';

interface Secret extends RawObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

const pemBlock = /-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----\n?/g;
const maxAuthorities = 8;

/**
 * Keeps the CAs in a Secret, so that all replicas sign with the same one. `ca.crt` holds the certificates oldest first
 * (it is the bundle to trust), `ca.key` their keys in the same order. The first creator wins; an update carries the
 * resourceVersion it was read at, so two replicas never overwrite each other.
 */
export function authoritiesInSecret(
  client: KubeClient,
  where: { readonly namespace: string; readonly name: string },
  logger: Logger,
): AuthorityStore {
  return {
    async read() {
      const secret = await orOn(404, client.get<Secret>(secrets, where), undefined);
      if (!secret) return { authorities: [], version: undefined };
      return { authorities: await authoritiesOf(secret, logger), version: secret.metadata.resourceVersion };
    },
    async replace(held: HeldAuthorities, authorities) {
      const secret = secretOf(where, held.version, authorities);
      const write =
        held.version === undefined
          ? client.create(secrets, secret, { namespace: where.namespace })
          : client.update(secrets, secret, where);
      return orOn(
        409,
        write.then(() => true),
        false,
      );
    },
  };
}

async function authoritiesOf(secret: Secret, logger: Logger): Promise<readonly Issued[]> {
  const certificates = blocks(secret.data?.['ca.crt']);
  const keys = blocks(secret.data?.['ca.key']);
  try {
    if (certificates.length !== keys.length)
      throw new Error(`${certificates.length} certificates, ${keys.length} keys`);
    return await Promise.all(certificates.map((certificate, i) => readIssued(certificate, keys[i] ?? '')));
  } catch (cause) {
    // An unreadable Secret is replaced: refusing to start would leave admission down until a person deletes it.
    logger.warn(
      { secret: secret.metadata.name, cause: describeError(cause) },
      'the CA Secret is not readable and is replaced by a new CA',
    );
    return [];
  }
}

function secretOf(
  where: { readonly namespace: string; readonly name: string },
  resourceVersion: string | undefined,
  authorities: readonly Issued[],
): Secret {
  const kept = authorities.slice(-maxAuthorities);
  return {
    apiVersion: apiVersionOf(secrets),
    kind: secrets.kind,
    metadata: { ...where, ...(resourceVersion !== undefined && { resourceVersion }) },
    type: 'Opaque',
    data: {
      'ca.crt': base64(kept.map(({ certificate }) => certificate).join('')),
      'ca.key': base64(kept.map(({ key }) => key).join('')),
    },
  };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const blocks = (encoded: string | undefined): readonly string[] =>
  Buffer.from(encoded ?? '', 'base64')
    .toString('utf8')
    .match(pemBlock) ?? [];

async function orOn<T, E>(status: number, promise: Promise<T>, otherwise: E): Promise<T | E> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof TandemError && error.status === status) return otherwise;
    throw error;
  }
}
