import type { Dialect } from './dialect.js';
import { nixlPull } from './nixl-pull.js';
import { twoStep } from './two-step.js';

/** Every dialect this router speaks, by name. */
export const spoken: ReadonlyMap<string, Dialect> = new Map(
  [nixlPull, twoStep].map((dialect) => [dialect.name, dialect]),
);
