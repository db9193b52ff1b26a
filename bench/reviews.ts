import { randomUUID } from 'node:crypto';
import { labels, podName } from '../src/api/names.js';
import { modelServings } from '../src/api/resources.js';
import type { ModelServing } from '../src/api/types.js';
import type { RawObject } from '../src/kube/client.js';

/** Bodies for one path. They differ, as reviews of different objects do, so that nobody answers from memory. */
export interface Reviews {
  readonly path: string;
  readonly bodies: readonly string[];
}

const variants = 512;

/** A ModelServing as the API server reviews it: bookkeeping and all, each with a name and a context length of its own. */
export function servingReviews(stored: RawObject): Reviews {
  const text = JSON.stringify(stored);
  const { name = '' } = stored.metadata;
  const bodies = Array.from({ length: variants }, (_, i) => {
    const object = text
      .replace(`"name":"${name}"`, `"name":"${name}-${i}"`)
      .replaceAll('"--max-model-len","8192"', `"--max-model-len","${8192 + i}"`);
    return reviewOf(
      { group: modelServings.group, version: modelServings.version, kind: modelServings.kind },
      {
        resource: modelServings.plural,
        name: `${name}-${i}`,
        object,
      },
    );
  });
  return { path: '/mutate/modelservings', bodies };
}

/** The prefill pods of a stored ModelServing's groups, as a controller creates them. */
export function podReviews(serving: RawObject & ModelServing): Reviews {
  const { name = '', namespace } = serving.metadata;
  const [role] = serving.spec.template.roles;
  const bodies = Array.from({ length: variants }, (_, group) => {
    const pod = podName({ serving: name, group, role: role?.name ?? '', instance: 0, index: 0 });
    const metadata = {
      name: pod,
      namespace,
      labels: {
        [labels.name]: name,
        [labels.groupName]: `${name}-${group}`,
        [labels.role]: role?.name,
        [labels.roleId]: `${role?.name}-0`,
        [labels.entry]: 'true',
      },
    };
    const spec = { ...role?.entryTemplate?.spec, schedulerName: serving.spec.schedulerName };
    const object = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec });
    return reviewOf({ group: '', version: 'v1', kind: 'Pod' }, { resource: 'pods', name: pod, object });
  });
  return { path: '/mutate/pods', bodies };
}

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

function reviewOf(kind: Kind, { resource, name, object }: { resource: string; name: string; object: string }): string {
  const plural = { group: kind.group, version: kind.version, resource };
  const request = {
    uid: randomUUID(),
    kind,
    resource: plural,
    requestKind: kind,
    requestResource: plural,
    name,
    namespace: 'dev',
    operation: 'CREATE',
    userInfo: { username: 'admin', uid: 'admin', groups: ['system:masters', 'system:authenticated'] },
    object: null,
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'kubectl-create' },
  };
  const review = JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request });
  return review.replace('"object":null', () => `"object":${object}`);
}
