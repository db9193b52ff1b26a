import type { ModelServing } from '../../../src/api/types.js';
import { defaultExpandSettings, type ExpandSettings } from '../../../src/core/expand/types.js';
import { servingOf } from './samples.js';

/** What a role says in the terse form; `pods` counts the entry and its workers. */
export interface Said {
  readonly tp?: number;
  readonly dp?: number;
  readonly pods?: number;
  readonly args?: string;
  readonly spec?: object;
}

export interface Recipe {
  readonly source: string;
  readonly title: string;
  readonly accelerator: string;
  readonly engine: string;
  readonly connector: string;
  readonly prefill?: Said;
  readonly decode?: Said;
  /** `tandem.dev/store` and `tandem.dev/network`. */
  readonly store?: string;
  readonly network?: string;
  /** `tandem.dev/options`. */
  readonly options?: string;
  /** The nodes have no container runtime that mounts the driver. */
  readonly plainRuntime?: true;
  /** The connector that the result reads as, where it is not the one that was asked for. */
  readonly reads?: string;
}

const nothing: Said = {};

export const settingsOf = ({ plainRuntime }: Recipe): ExpandSettings =>
  plainRuntime ? { ...defaultExpandSettings, runtimeMounts: false } : defaultExpandSettings;

/** The recipe in the terse form. */
export function terseOf(recipe: Recipe): ModelServing {
  const role = (name: 'prefill' | 'decode') => {
    const { tp, dp, pods = 1, args, spec } = recipe[name] ?? nothing;
    const sizes = { 'tensor-parallel': tp, 'data-parallel': dp, 'engine-args': args };
    const said = Object.entries(sizes).filter(([, value]) => value !== undefined);
    const annotations = Object.fromEntries(said.map(([key, value]) => [`tandem.dev/${key}`, String(value)]));
    return { name, workerReplicas: pods - 1, entryTemplate: { metadata: { annotations }, ...(spec && { spec }) } };
  };
  const { accelerator, engine, connector, store, network, options } = recipe;
  const annotations = {
    model: 'org/model',
    accelerator,
    engine,
    connector,
    ...(store && { store }),
    ...(network && { network }),
    ...(options && { options }),
  };
  return servingOf(
    JSON.stringify([role('prefill'), role('decode')]),
    Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`tandem.dev/${key}`, value])),
  );
}
