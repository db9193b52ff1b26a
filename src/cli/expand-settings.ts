import { optionProblem, readOptions } from '../core/expand/options.js';
import type { ExpandSettings } from '../core/expand/types.js';
import type { Profiles } from '../core/profiles/types.js';
import { cliErrors } from './errors.js';

export interface ExpandFlags {
  /** False where the container runtime of the nodes mounts no driver. */
  readonly runtimeMounts?: boolean;
  /** Options of accelerator profiles, as `tandem.dev/options` spells them. */
  readonly options?: string;
}

/** What the flags of a command say about expansion; options that no profile knows are an error. */
export function expandSettingsOf(
  { runtimeMounts, options: text }: ExpandFlags,
  profiles: Profiles,
): Pick<ExpandSettings, 'runtimeMounts' | 'options'> {
  const wrong = text === undefined ? undefined : optionProblem(text, profiles);
  if (text !== undefined && wrong) throw cliErrors('bad-options', { value: text, ...wrong });
  const options = readOptions(text);
  return {
    ...(runtimeMounts !== undefined && { runtimeMounts }),
    ...(options && { options }),
  };
}
