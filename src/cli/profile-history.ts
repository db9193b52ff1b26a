/** Profile revisions in the cluster, one immutable ConfigMap each: what a pinned serving needs after a restart of the webhook. */
import { isObject } from '../base/json.js';
import { parseProfiles } from '../core/profiles/parse.js';
import type { Profiles } from '../core/profiles/types.js';
import type { KubeClient, RawObject } from '../kube/client.js';
import { KubeError } from '../kube/kube-error.js';
import { apiVersionOf, configMaps } from '../kube/resources.js';
import type { ProfileHistory } from '../settings/profiles.js';

const label = 'tandem.dev/profile-revision';

interface ConfigMap extends RawObject {
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
}

export function profileHistoryInCluster(client: KubeClient, namespace: string): ProfileHistory {
  return {
    async read(atMost) {
      const { items } = await client.list<ConfigMap>(configMaps, { namespace, labelSelector: label });
      const newest = [...items].sort((a, b) => ageKey(b).localeCompare(ageKey(a))).slice(0, atMost);
      return newest.flatMap(({ metadata, data }) => {
        const revision = metadata.labels?.[label];
        const text = isObject(data) ? data['profiles.yaml'] : undefined;
        return revision === undefined || typeof text !== 'string' ? [] : [{ revision, text }];
      });
    },
    async keep({ revision, text }) {
      const metadata = { name: `tandem-profiles-${revision}`, namespace, labels: { [label]: revision } };
      const { kind } = configMaps;
      const object: ConfigMap = {
        apiVersion: apiVersionOf(configMaps),
        kind,
        metadata,
        immutable: true,
        data: { 'profiles.yaml': text },
      };
      await client.create(configMaps, object, { namespace }).catch((error: unknown) => {
        // Another replica, or an earlier start, kept the same content.
        if (!(error instanceof KubeError && error.status === 409)) throw error;
      });
    },
  };
}

/**
 * One revision, from whichever namespace the webhook keeps it in; undefined when nobody kept it, or when it may not be
 * read, which `onProblem` is told.
 */
export async function revisionInCluster(
  client: KubeClient,
  revision: string,
  onProblem: (error: unknown) => void,
): Promise<Profiles | undefined> {
  try {
    const { items } = await client.list<ConfigMap>(configMaps, { labelSelector: `${label}=${revision}` });
    const text = items.map(({ data }) => data?.['profiles.yaml']).find((one) => one !== undefined);
    const parsed = text === undefined ? undefined : parseProfiles([{ name: `revision ${revision}`, text }]);
    return parsed?.ok ? parsed.profiles : undefined;
  } catch (error) {
    onProblem(error);
    return undefined;
  }
}

const ageKey = ({ metadata }: RawObject): string => `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`;
