/** Profile revisions in the cluster, one immutable ConfigMap each: what a pinned serving needs after a restart of the webhook. */
import { isObject } from '../base/json.js';
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

const ageKey = ({ metadata }: RawObject): string => `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`;
