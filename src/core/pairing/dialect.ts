import type { Pod } from '../../api/kube.js';
import { tandemKeys } from '../../api/names.js';
import type { ModelServer } from '../../api/types.js';

/** Which dialect a ModelServer's pods are spoken to, and how that is known. */
export interface DialectChoice {
  readonly dialect: string;
  readonly from: 'label' | 'kvConnector' | 'arguments' | 'inferenceEngine' | 'nothing';
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
  const stamped = pods.find((pod) => pod.metadata.labels?.[tandemKeys.dialect.key] !== undefined);
  const label = stamped?.metadata.labels?.[tandemKeys.dialect.key];
  if (label !== undefined) {
    return { dialect: label, from: 'label', because: `the pods carry ${tandemKeys.dialect.key}: ${label}` };
  }
  const written = server.spec.kvConnector?.type;
  return written === undefined ? inferred(server, pods, read) : asWritten(written, pods, read);
}

function asWritten(written: string, pods: readonly Pod[], read: ReadConnector): DialectChoice {
  const seen = written === 'mooncake' ? firstReadable(pods, read) : undefined;
  if (seen?.dialect === 'mooncake') {
    const because = `the pods run ${seen.connector}, which speaks upstream's newer protocol`;
    return { dialect: 'mooncake', from: 'arguments', because };
  }
  const dialect = byConnectorType[written] ?? unlinked;
  return { dialect, from: 'kvConnector', because: `spec.kvConnector.type is ${written}` };
}

function inferred({ spec }: ModelServer, pods: readonly Pod[], read: ReadConnector): DialectChoice {
  const seen = firstReadable(pods, read);
  if (seen) {
    const because = `spec.kvConnector is absent, and the pods run ${seen.connector}`;
    return { dialect: seen.dialect, from: 'arguments', because };
  }
  if (spec.inferenceEngine === 'SGLang') {
    return { dialect: 'sglang', from: 'inferenceEngine', because: 'spec.inferenceEngine is SGLang' };
  }
  const because = "neither spec.kvConnector nor a label nor the pods' arguments name a KV connector";
  return { dialect: unlinked, from: 'nothing', because };
}

/** Pods of one ModelServer run one connector, so the first that can be read speaks for all. */
function firstReadable(pods: readonly Pod[], read: ReadConnector): { connector: string; dialect: string } | undefined {
  for (const pod of pods) {
    const { connector, dialect } = read(pod) ?? {};
    if (connector !== undefined && dialect !== undefined) return { connector, dialect };
  }
  return undefined;
}
