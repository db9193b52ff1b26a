import { type Level, levels, tandemKeys } from '../../api/names.js';

/** What a ModelServing asks of placement with `tandem.dev/placement`. */
export type PlacementPolicy =
  | { readonly mode: 'preferred' }
  | { readonly mode: 'required'; readonly level: Level }
  | { readonly mode: 'off' };

/** Reads the annotation; `problem` says why its value was not understood, in which case the default applies. */
export function placementPolicy(annotations: Readonly<Record<string, string>> | undefined): {
  readonly policy: PlacementPolicy;
  readonly problem?: string;
} {
  const value = annotations?.[tandemKeys.placement.key]?.trim();
  if (value === undefined || value === 'preferred') return { policy: { mode: 'preferred' } };
  if (value === 'off') return { policy: { mode: 'off' } };
  const wanted = /^required:\s*(\S+)$/.exec(value)?.[1];
  const level = levels.find((known) => known === wanted);
  if (level !== undefined) return { policy: { mode: 'required', level } };
  return {
    policy: { mode: 'preferred' },
    problem: `${tandemKeys.placement.key} is "${value}"; write preferred, off, or "required: LEVEL" with one of ${levels.join(', ')}`,
  };
}
