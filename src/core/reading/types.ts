import type { Container, EnvVar, PodSpec } from '../../api/kube.js';
import type { ModelServing, PodTemplate } from '../../api/types.js';
import type { AcceleratorProfile, ConnectorProfile, EngineProfile, Profiles } from '../profiles/types.js';

/**
 * What the manifest says, read once for expansion, checks, fingerprint and router. A reading never throws and never
 * changes anything; what cannot be read is `undefined`, and `reading` says how far the command line was understood.
 */
export interface ServingReading {
  readonly serving: ModelServing;
  readonly profiles: Profiles;
  readonly roles: readonly RoleReading[];
}

export type Side = 'prefill' | 'decode' | 'aggregated';

/** The entry pod of a role instance, or one of its workers. */
export type PodPlace = 'entry' | 'worker';

export interface RoleReading {
  readonly index: number;
  readonly name: string;
  /** Field path of the role, e.g. `spec.template.roles[0]`. */
  readonly path: string;
  readonly replicas: number;
  readonly workerReplicas: number;
  readonly template: PodTemplate;
  /** Reading of the entry pod; undefined when no engine is recognised in it (a plain nginx), which leaves the role alone. */
  readonly pod: PodReading | undefined;
  /** Template of the workers; undefined when the role has none. */
  readonly workerTemplate: PodTemplate | undefined;
  /** Reading of a worker pod; undefined when the role has no workers or no engine is recognised in them. */
  readonly worker: PodReading | undefined;
}

/** Reading of one pod spec, of a role's entry or worker template or of a Pod itself. */
export interface PodReading {
  /** Field path of the pod spec, e.g. `spec.template.roles[0].entryTemplate.spec`. */
  readonly path: string;
  readonly spec: PodSpec;
  readonly container: Container;
  /** Position of the engine container in `spec.containers`. */
  readonly containerIndex: number;
  /** Field path of the engine container. */
  readonly containerPath: string;
  readonly engine: EngineReading;
  readonly devices: DeviceReading;
  readonly connector: ConnectorReading | undefined;
  readonly side: Side;
  readonly place: PodPlace;
  /** Pods of the role instance that it belongs to: the entry and its workers. */
  readonly pods: number;
  /** Whether requests reach this pod: a headless engine and most workers have no API, so nothing may probe them. */
  readonly servesHttp: boolean;
  /** Environment of the engine container by name; of two entries with one name the later one counts, as in Kubernetes. */
  readonly env: ReadonlyMap<string, EnvVar>;
}

/** `exact`: an argument list; `shell`: taken from a shell script, best effort; `opaque`: not understood, so never an error. */
export type Certainty = 'exact' | 'shell' | 'opaque';

export interface EngineReading {
  readonly profile: EngineProfile;
  readonly reading: Certainty;
  /** Long flags without dashes, `_` written as `-`; `true` for a bare flag. Short flags are resolved by the profile. */
  readonly args: ReadonlyMap<string, string | true>;
  /** Field path of each flag's value (of the script, when it comes from one), by the same names. */
  readonly argPaths: ReadonlyMap<string, string>;
  /** Version from the image tag, e.g. `0.10.1rc1`; undefined when the tag names none. */
  readonly version: string | undefined;
  readonly model: string | undefined;
  /** Names that requests may use: `--served-model-name`, else the model as written; empty when neither is known. */
  readonly servedNames: readonly string[];
  readonly host: string | undefined;
  readonly port: number;
  /** `port`, and where every local rank is balanced from outside, one port for each of them. */
  readonly apiPorts: readonly number[];
  readonly tensorParallel: number;
  readonly pipelineParallel: number;
  /** Global data-parallel size; 1 when not given. */
  readonly dataParallel: number;
  /** Ranks that this pod alone must hold: tensor × pipeline × context × local data parallel. */
  readonly ranksPerPod: number;
}

export interface DeviceReading {
  readonly profile: AcceleratorProfile | undefined;
  /** Extended resource name, e.g. `nvidia.com/gpu`; undefined when the pod asks for none that a profile knows. */
  readonly resource: string | undefined;
  readonly count: number;
  /** Field path of the limit (of the request when there is only that). */
  readonly path: string;
}

export interface ConnectorReading {
  readonly profile: ConnectorProfile | undefined;
  /** Every connector that is known in it: those inside a MultiConnector, else the one. */
  readonly parts: readonly ConnectorProfile[];
  /** `kv_connector` as written; for MultiConnector the first peer-to-peer connector inside it; for SGLang the transfer backend. */
  readonly name: string;
  readonly role: string | undefined;
  /** The whole `--kv-transfer-config`, parsed; undefined with `error` set when it is not JSON. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** The part of `config` that configures this connector: `config` itself, or its member inside a MultiConnector. */
  readonly own: Readonly<Record<string, unknown>> | undefined;
  readonly error: string | undefined;
  /** Where it is written: field path of the argument. */
  readonly path: string;
}
