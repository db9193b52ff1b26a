import { modelServings } from '../../api/resources.js';
import type { ModelServing } from '../../api/types.js';
import { expandServing } from '../../core/expand/serving.js';
import { type AdditionTable, additionTable } from '../../core/expand/table.js';
import { defaultExpandSettings } from '../../core/expand/types.js';
import type { RawObject } from '../../kube/client.js';
import { loadProfiles } from '../../settings/profiles.js';
import { openCluster } from '../cluster.js';
import { cliErrors } from '../errors.js';
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
  const servings = await servingsToExplain(options, name);
  const profiles = await loadProfiles(options.profiles);
  const explained = servings.map((serving) => ({
    name: serving.metadata.name ?? '',
    ...additionTable(expandServing(serving, profiles, defaultExpandSettings).reasons),
  }));
  process.stdout.write(
    options.output === 'json' ? `${JSON.stringify(explained, null, 2)}\n` : explained.map(printed).join('\n'),
  );
  return 0;
}

async function servingsToExplain(options: Options, name: string | undefined): Promise<readonly ModelServing[]> {
  if (options.filename) return readServings(options.filename);
  if (name === undefined) throw cliErrors('name-or-file', { command: 'explain' });
  const abort = new AbortController();
  const { client } = await openCluster('explain', options.kubeconfig, abort.signal);
  try {
    return [
      asWritten(await client.get<ModelServing & RawObject>(modelServings, { namespace: options.namespace, name })),
    ];
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

/** The serving before admission, as kubectl remembers it; without that memory nothing can be told from what the user wrote. */
function asWritten(stored: ModelServing): ModelServing {
  const text = stored.metadata.annotations?.[lastApplied];
  return text === undefined ? stored : (JSON.parse(text) as ModelServing);
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
