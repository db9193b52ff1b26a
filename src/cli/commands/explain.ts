import { tandemKeys } from '../../api/names.js';
import { modelServings } from '../../api/resources.js';
import type { ModelServing } from '../../api/types.js';
import { describeError } from '../../base/errors.js';
import { pinnedRevision } from '../../core/expand/notes.js';
import { expandServing } from '../../core/expand/serving.js';
import { type AdditionTable, additionTable } from '../../core/expand/table.js';
import { defaultExpandSettings } from '../../core/expand/types.js';
import type { Profiles } from '../../core/profiles/types.js';
import type { KubeClient, RawObject } from '../../kube/client.js';
import { loadProfiles } from '../../settings/profiles.js';
import { openCluster } from '../cluster.js';
import { cliErrors } from '../errors.js';
import { revisionInCluster } from '../profile-history.js';
import { readServings } from '../servings.js';
import { alignRows } from '../table.js';

export interface Options {
  readonly filename?: readonly string[];
  readonly namespace: string;
  readonly profiles?: string;
  readonly kubeconfig?: string;
  readonly output?: 'json';
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

export async function run(options: Options, name?: string): Promise<number> {
  const current = await loadProfiles(options.profiles);
  const { servings, profiles } = options.filename
    ? { servings: readServings(options.filename), profiles: current }
    : await fromCluster(options, name, current);
  const explained = servings.map((serving) => {
    const { reasons, warnings } = expandServing(serving, profiles, defaultExpandSettings);
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    return { name: serving.metadata.name ?? '', ...additionTable(reasons) };
  });
  process.stdout.write(
    options.output === 'json' ? `${JSON.stringify(explained, null, 2)}\n` : explained.map(printed).join('\n'),
  );
  return 0;
}

interface Explained {
  readonly servings: readonly ModelServing[];
  /** With the revision that the serving is pinned to, where the cluster keeps it. */
  readonly profiles: Profiles;
}

async function fromCluster(options: Options, name: string | undefined, current: Profiles): Promise<Explained> {
  if (name === undefined) throw cliErrors('name-or-file', { command: 'explain' });
  const abort = new AbortController();
  const { client } = await openCluster('explain', options.kubeconfig, abort.signal);
  try {
    const where = { namespace: options.namespace, name };
    const serving = asWritten(await client.get<ModelServing & RawObject>(modelServings, where));
    return { servings: [serving], profiles: await withPinned(client, serving, current) };
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

async function withPinned(client: KubeClient, serving: ModelServing, current: Profiles): Promise<Profiles> {
  const revision = pinnedRevision(serving.metadata.annotations?.[tandemKeys.profiles.key]);
  if (revision === undefined || revision === current.revision) return current;
  const then = await revisionInCluster(client, revision, (error) => {
    process.stderr.write(
      `profiles ${revision} cannot be read: ${describeError(error)}; allow ConfigMaps to be listed\n`,
    );
  });
  return then ? { ...current, earlier: new Map([[revision, then]]) } : current;
}

/**
 * The serving before admission, as kubectl remembers it, with the pin that admission gave it; without that memory nothing
 * can be told from what the user wrote.
 */
function asWritten(stored: ModelServing): ModelServing {
  const text = stored.metadata.annotations?.[lastApplied];
  if (text === undefined) return stored;
  const written = JSON.parse(text) as ModelServing;
  const { key } = tandemKeys.profiles;
  const pin = stored.metadata.annotations?.[key];
  if (pin === undefined) return written;
  return {
    ...written,
    metadata: { ...written.metadata, annotations: { ...written.metadata.annotations, [key]: pin } },
  };
}

function printed({ name, total, counts, rows }: AdditionTable & { name: string }): string {
  if (total === 0) return `${name}: nothing was added\n`;
  const by = counts.map((count) => `${count.by} ${count.fields}`).join(', ');
  const table = rows.map(({ roles, by: profile, field, value, because, source }) => [
    ' ',
    roles || 'serving',
    profile,
    field,
    value,
    source === '' ? because : `${because} (${source})`,
  ]);
  return `${name}: ${total} fields added (${by})\n${alignRows(table).join('\n')}\n`;
}
