import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { isObject } from '../base/json.js';

/** What a kubeconfig says that names a token or a certificate, and nothing that a plugin must fetch. PEM texts. */
export interface PlainKubeconfig {
  readonly server: string;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly token: string | undefined;
  readonly servername: string | undefined;
  readonly insecure: boolean;
  readonly namespace: string;
}

type Fields = Readonly<Record<string, unknown>>;

const ofCluster = [
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'tls-server-name',
  'insecure-skip-tls-verify',
  'extensions',
];
const ofUser = ['token', 'client-certificate', 'client-certificate-data', 'client-key', 'client-key-data'];

/**
 * Reads what most kubeconfigs are without @kubernetes/client-node, which takes 80 MB for its models. Undefined for one that
 * says more, or is wrong: that library reads it, or says why not.
 */
export async function readPlainKubeconfig(text: string, folder: string): Promise<PlainKubeconfig | undefined> {
  const current = currentOf(parsed(text));
  const server = current && said(current.cluster, 'server');
  if (!current || server === undefined || !URL.canParse(server)) return undefined;
  const { context, cluster, user } = current;
  try {
    return {
      server,
      ca: await pem(cluster, 'certificate-authority', folder),
      cert: await pem(user, 'client-certificate', folder),
      key: await pem(user, 'client-key', folder),
      token: said(user, 'token'),
      servername: said(cluster, 'tls-server-name'),
      insecure: cluster['insecure-skip-tls-verify'] === true,
      namespace: said(context, 'namespace') ?? 'default',
    };
  } catch {
    return undefined; // a file that cannot be read: the library says which
  }
}

/** The context in use with its cluster and user, when they say nothing that is not known here. */
function currentOf(config: Fields | undefined) {
  const context = named(config, 'contexts', 'context', config?.['current-context']);
  const cluster = named(config, 'clusters', 'cluster', context?.['cluster']);
  const user = named(config, 'users', 'user', context?.['user']);
  return context && hasOnly(cluster, ofCluster) && hasOnly(user, ofUser) ? { context, cluster, user } : undefined;
}

function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // no YAML: the library says where
  }
}

function named(config: Fields | undefined, list: string, kind: string, name: unknown): Fields | undefined {
  const entries = config?.[list];
  const entry = Array.isArray(entries) ? entries.find((one) => isObject(one) && one['name'] === name) : undefined;
  return isObject(entry) && isObject(entry[kind]) ? entry[kind] : undefined;
}

const hasOnly = (fields: Fields | undefined, known: readonly string[]): fields is Fields =>
  fields !== undefined && Object.keys(fields).every((key) => known.includes(key));

const said = (fields: Fields, key: string): string | undefined => {
  const value = fields[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** Text that is written in place, else that of a file; a path is relative to the kubeconfig. */
async function pem(fields: Fields, key: string, folder: string): Promise<string | undefined> {
  const inPlace = said(fields, `${key}-data`);
  if (inPlace !== undefined) return Buffer.from(inPlace, 'base64').toString();
  const file = said(fields, key);
  return file === undefined ? undefined : await readFile(resolve(folder, file), 'utf8');
}
