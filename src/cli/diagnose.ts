import type { Node } from '../api/kube.js';
import { volcano } from '../api/names.js';
import { domainsOfNode } from '../core/placement/topology.js';

/** What `tandem doctor` has seen of a cluster. */
export interface Observation {
  readonly version: string;
  /** Names of all CustomResourceDefinitions. */
  readonly crds: readonly string[];
  readonly webhooks: readonly { readonly name: string; readonly caBundle: boolean }[];
  readonly nodes: readonly Node[];
  /** Extended resource names that a profile knows. */
  readonly deviceResources: readonly string[];
}

export interface Diagnosis {
  readonly state: 'ok' | 'note' | 'missing';
  readonly subject: string;
  readonly says: string;
}

/** One line per thing that Tandem needs or likes; `missing` is what keeps it from working. */
export function diagnose(seen: Observation, wantedCrds: readonly string[]): readonly Diagnosis[] {
  return [
    { state: 'ok', subject: 'API server', says: seen.version },
    ...wantedCrds.map((name) => crdLine(seen, name)),
    ...webhookLines(seen),
    ...deviceLines(seen),
    volcanoLine(seen),
  ];
}

function crdLine({ crds }: Observation, name: string): Diagnosis {
  return crds.includes(name)
    ? { state: 'ok', subject: 'CRD', says: name }
    : { state: 'missing', subject: 'CRD', says: `${name} is not installed; kubectl apply -k config/crd` };
}

function webhookLines({ webhooks }: Observation): Diagnosis[] {
  const ours = webhooks.filter(({ name }) => name.includes('tandem'));
  if (ours.length === 0) {
    return [
      {
        state: 'missing',
        subject: 'webhook',
        says: 'no webhook of Tandem is registered; start `tandem webhook`, which registers itself',
      },
    ];
  }
  return ours.map(({ name, caBundle }) =>
    caBundle
      ? { state: 'ok', subject: 'webhook', says: name }
      : {
          state: 'missing',
          subject: 'webhook',
          says: `${name} has no caBundle; is \`tandem webhook\` running and allowed to update it?`,
        },
  );
}

function deviceLines({ nodes, deviceResources }: Observation): Diagnosis[] {
  const having = (resource: string) => nodes.filter((node) => Number(node.status?.allocatable?.[resource] ?? 0) > 0);
  const present = deviceResources.filter((resource) => having(resource).length > 0);
  if (present.length === 0) {
    return [
      {
        state: 'missing',
        subject: 'devices',
        says: 'no node offers an accelerator that a profile knows; install the device plugin or add a profile',
      },
    ];
  }
  return present.map((resource) => {
    const own = having(resource);
    const placed = own.filter(
      (node) => domainsOfNode(node).leaf !== undefined || domainsOfNode(node).rack !== undefined,
    );
    const says = `${resource} on ${own.length} nodes, ${placed.length} of them with a leaf or rack label`;
    return placed.length === 0
      ? {
          state: 'note',
          subject: 'devices',
          says: `${says}: placement can only tell nodes and zones apart; label nodes with topology.tandem.dev/leaf`,
        }
      : { state: 'ok', subject: 'devices', says };
  });
}

function volcanoLine({ crds }: Observation): Diagnosis {
  return crds.includes(volcano.podGroupCrd)
    ? {
        state: 'note',
        subject: 'Volcano',
        says: 'installed: serving groups get PodGroups, pods keep schedulerName volcano',
      }
    : {
        state: 'note',
        subject: 'Volcano',
        says: 'not installed: pods that ask for volcano are mapped to the default scheduler',
      };
}
