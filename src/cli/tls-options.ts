import { Option } from 'commander';
import { engineTrust } from '../../router/engine/engine-trust.js';
import type { RouterOptions } from '../../router/start.js';
import { cliErrors } from './errors.js';

/** Flags of the router about TLS, as a command line or a configuration file sets them. */
export interface TlsFlags {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly engineCa?: string;
  readonly engineName?: string;
  readonly engineInsecure?: boolean;
}

export function tlsOptions(): readonly Option[] {
  return [
    new Option('--tls-cert <file>', 'speak TLS with clients, by this certificate and chain (PEM)'),
    new Option('--tls-key <file>', 'the key of --tls-cert (PEM); both are read again when they change'),
    new Option('--engine-ca <file>', 'authorities that engines of protocol https are known by (PEM)'),
    new Option('--engine-name <name>', "whom engines' certificates are made out to, where it is not their address"),
    new Option('--engine-insecure', 'take any certificate of an engine'),
  ].map((option) => option.helpGroup('TLS:'));
}

/** How the router's address is spelled. */
export const schemeOf = ({ tlsCert }: TlsFlags): string => (tlsCert === undefined ? 'http' : 'https');

/** What the router is started with. @throws half-tls, bad-engine-ca */
export async function tlsOf(flags: TlsFlags): Promise<Pick<RouterOptions, 'tls' | 'pool'>> {
  const { tlsCert: cert, tlsKey: key, engineCa: ca, engineName: name, engineInsecure: insecure } = flags;
  if ((cert === undefined) !== (key === undefined)) throw cliErrors('half-tls', {});
  const trust = await engineTrust({
    ...(ca !== undefined && { ca }),
    ...(name !== undefined && { name }),
    ...(insecure !== undefined && { insecure }),
  });
  return { pool: { tls: trust }, ...(cert !== undefined && key !== undefined && { tls: { cert, key } }) };
}
