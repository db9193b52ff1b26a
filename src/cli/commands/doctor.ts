import { customResourceDefinitions } from '../../api/crd.js';
import type { Node } from '../../api/kube.js';
import type { KubeClient, RawObject } from '../../kube/client.js';
import { crds, mutatingWebhooks, nodes, validatingWebhooks } from '../../kube/resources.js';
import { loadProfiles } from '../../settings/profiles.js';
import { openCluster } from '../cluster.js';
import { diagnose, type Observation } from '../diagnose.js';
import { alignRows, paint } from '../table.js';

export interface Options {
  readonly kubeconfig?: string;
  readonly output?: 'json';
}

const colours = { ok: 'green', note: 'yellow', missing: 'red' } as const;

export async function run(options: Options): Promise<number> {
  const abort = new AbortController();
  const { client } = await openCluster('doctor', options.kubeconfig, abort.signal);
  try {
    const wanted = customResourceDefinitions.map((crd) => (crd['metadata'] as { name: string }).name);
    const lines = diagnose(await observe(client), wanted);
    if (options.output === 'json') process.stdout.write(`${JSON.stringify(lines, null, 2)}\n`);
    else {
      const rows = alignRows(lines.map(({ state, subject, says }) => [state.padEnd(7), subject, says]));
      process.stdout.write(rows.map((row, i) => `${paint(colours[lines[i]?.state ?? 'note'], row)}\n`).join(''));
    }
    return lines.some(({ state }) => state === 'missing') ? 1 : 0;
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

type Registered = RawObject & {
  readonly webhooks?: readonly { readonly name: string; readonly clientConfig?: { readonly caBundle?: string } }[];
};

async function observe(client: KubeClient): Promise<Observation> {
  const [version, definitions, mutating, validating, all, profiles] = await Promise.all([
    client.request<{ gitVersion: string }>('GET', '/version'),
    client.list(crds),
    client.list<Registered>(mutatingWebhooks),
    client.list<Registered>(validatingWebhooks),
    client.list<RawObject & Node>(nodes),
    loadProfiles(),
  ]);
  return {
    version: version.gitVersion,
    crds: definitions.items.map(({ metadata }) => metadata.name ?? ''),
    webhooks: [...mutating.items, ...validating.items].flatMap((configuration) =>
      (configuration.webhooks ?? []).map(({ name, clientConfig }) => ({
        name: `${configuration.metadata.name ?? ''}/${name}`,
        caBundle: (clientConfig?.caBundle ?? '') !== '',
      })),
    ),
    nodes: all.items,
    deviceResources: profiles.accelerators.flatMap(({ resources }) => resources),
  };
}
