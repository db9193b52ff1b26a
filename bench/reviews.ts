import { randomUUID } from 'node:crypto';
import { labels, podName } from '../src/api/names.js';
import { modelServings } from '../src/api/resources.js';
import type { ModelServing } from '../src/api/types.js';
import type { RawObject } from '../src/kube/client.js';

/** Bodies for one path, which take turns; each is about an object of its own. */
export interface Reviews {
  readonly path: string;
  readonly bodies: readonly string[];
  /** Every so manieth review has, behind each of these marks, a number that no other review has: nobody knows it from before. */
  readonly fresh?: { readonly every: number; readonly mark: string };
}

const variants = 512;
/** As many digits as a fresh number has. */
const usualLength = '131072';

/**
 * ModelServings as the API server reviews them, bookkeeping and all, each with name, uid and namespace of its own. Of
 * `every` reviews one has a context length that is new.
 */
export function servingReviews(stored: RawObject, every: number): Reviews {
  const mark = '"--max-model-len","';
  const { name = '', uid = '', namespace = '' } = stored.metadata;
  const text = JSON.stringify(stored).replaceAll(`${mark}8192"`, `${mark}${usualLength}"`);
  const bodies = Array.from({ length: variants }, (_, i) => {
    const team = `team-${i % 16}`;
    const object = text
      .replace(`"name":"${name}"`, `"name":"${name}-${i}"`)
      .replace(`"namespace":"${namespace}"`, `"namespace":"${team}"`)
      .replace(`"uid":"${uid}"`, `"uid":"${randomUUID()}"`);
    return reviewOf(
      { group: modelServings.group, version: modelServings.version, kind: modelServings.kind },
      { resource: modelServings.plural, namespace: team, name: `${name}-${i}`, object },
    );
  });
  return { path: '/mutate/modelservings', bodies, fresh: { every, mark } };
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
    return reviewOf(
      { group: '', version: 'v1', kind: 'Pod' },
      { resource: 'pods', namespace: 'dev', name: pod, object },
    );
  });
  return { path: '/mutate/pods', bodies };
}

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

interface Written {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  /** As JSON text. */
  readonly object: string;
}

function reviewOf(kind: Kind, { resource, namespace, name, object }: Written): string {
  const plural = { group: kind.group, version: kind.version, resource };
  const request = {
    uid: randomUUID(),
    kind,
    resource: plural,
    requestKind: kind,
    requestResource: plural,
    name,
    namespace,
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
