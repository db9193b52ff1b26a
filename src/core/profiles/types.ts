import type { Static } from 'typebox';
import type { DeepReadonly } from '../../api/types.js';
import type { profileSchemas } from './schema.js';

export type AcceleratorProfile = DeepReadonly<Static<typeof profileSchemas.accelerator>>;
export type EngineProfile = DeepReadonly<Static<typeof profileSchemas.engine>>;
export type ConnectorProfile = DeepReadonly<Static<typeof profileSchemas.connector>>;
export type ModelsProfile = DeepReadonly<Static<typeof profileSchemas.models>>;
export type NetworkProfile = DeepReadonly<Static<typeof profileSchemas.network>>;
export type Profile = AcceleratorProfile | EngineProfile | ConnectorProfile | ModelsProfile | NetworkProfile;

export type WantedEnv = NonNullable<AcceleratorProfile['env']>[number];
export type WantedVolume = NonNullable<AcceleratorProfile['volumes']>[number];
export type WantedConfigMap = NonNullable<AcceleratorProfile['configMaps']>[number];
export type WantedLabel = NonNullable<AcceleratorProfile['labels']>[number];
export type WantedPort = NonNullable<ConnectorProfile['ports']>[number];
export type TerseArgument = EngineProfile['terse']['args'][number];
export type When = NonNullable<WantedEnv['when']>;

/** Profiles are data (`config/profiles/*.yaml`): a new chip, engine or connector is a new file, not code. */
export interface Profiles {
  readonly accelerators: readonly AcceleratorProfile[];
  readonly engines: readonly EngineProfile[];
  readonly connectors: readonly ConnectorProfile[];
  readonly models: readonly ModelsProfile[];
  readonly networks: readonly NetworkProfile[];
  /** Hash of the content of all profiles, 12 hex digits: what a ModelServing is pinned to. Comments and file names do not count. */
  readonly revision: string;
  /** Earlier contents by revision, so that a serving that is pinned to one stays as it is. */
  readonly earlier?: ReadonlyMap<string, Profiles>;
}
