import type { Issued } from './authority.js';

/** The CAs that sign for us, oldest first, where every process that shares them can find them. */
export interface AuthorityStore {
  /** What is held now; an empty list when nothing is held yet. */
  read(): Promise<HeldAuthorities>;
  /** Replaces what `read` returned; false when another process was faster, and then `read` tells what it wrote. */
  replace(held: HeldAuthorities, authorities: readonly Issued[]): Promise<boolean>;
}

export interface HeldAuthorities {
  readonly authorities: readonly Issued[];
  /** The store's own mark of this state. */
  readonly version: string | undefined;
}

/** For one process outside a cluster: its CA lives as long as it does. */
export function authoritiesInMemory(): AuthorityStore {
  let held: HeldAuthorities = { authorities: [], version: '0' };
  return {
    read: () => Promise.resolve(held),
    replace: (seen, authorities) => {
      if (seen.version !== held.version) return Promise.resolve(false);
      held = { authorities, version: String(Number(held.version) + 1) };
      return Promise.resolve(true);
    },
  };
}
