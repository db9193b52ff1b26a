import type { Pod } from '../../api/kube.js';
import { tandemKeys } from '../../api/names.js';
import type { ModelServer } from '../../api/types.js';

/** Which dialect a ModelServer's pods are spoken to, and how that is known. */
export interface DialectChoice {
  readonly dialect: string;
  readonly from: 'label' | 'kvConnector' | 'arguments' | 'nothing';
  /** For a person: what was seen. */
  readonly because: string;
}

/** What the arguments of a pod's engine say about its KV connector; undefined when they say nothing readable. */
export type ReadConnector = (
  pod: Pod,
) => { readonly connector: string; readonly dialect: string | undefined } | undefined;

/** The dialect of two plain calls, of which nothing links the second to the first. */
export const unlinked = 'two-step';

const byConnectorType: Readonly<Record<string, string>> = {
  nixl: 'nixl-pull',
  // MooncakeConnectorV1 and old Mooncake speak NIXL's wire; only the pods can say that they run the newer upstream one.
  mooncake: 'nixl-pull',
  http: unlinked,
  lmcache: unlinked,
};

/** First the label that admission stamped, then what the user wrote in the ModelServer, then what the pods' arguments say. */
export function chooseDialect(server: ModelServer, pods: readonly Pod[], read: ReadConnector): DialectChoice {
  const stamped = pods.map((pod) => pod.metadata.labels?.[tandemKeys.dialect.key]).find((label) => label !== undefined);
  if (stamped !== undefined) {
    return { dialect: stamped, from: 'label', because: `the pods carry ${tandemKeys.dialect.key}: ${stamped}` };
  }
  const readings = pods.flatMap((pod) => read(pod) ?? []);
  const readable = readings.find(({ dialect }) => dialect !== undefined);
  const written = server.spec.kvConnector?.type;
  const named = written === undefined ? undefined : byConnectorType[written];
  if (written === 'mooncake' && readable?.dialect === 'mooncake') {
    return {
      dialect: 'mooncake',
      from: 'arguments',
      because: `the pods run ${readable.connector}, upstream's newer protocol`,
    };
  }
  if (named !== undefined)
    return { dialect: named, from: 'kvConnector', because: `spec.kvConnector.type is ${written}` };
  if (readable?.dialect !== undefined) {
    const because = `spec.kvConnector is absent, and the pods run ${readable.connector}`;
    return { dialect: readable.dialect, from: 'arguments', because };
  }
  const because = "neither spec.kvConnector nor a label nor the pods' arguments name a KV connector";
  return { dialect: unlinked, from: 'nothing', because };
}
