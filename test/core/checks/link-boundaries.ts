/** Where a rule about a ModelServer beside a ModelServing begins and ends, and what the author of either object hears. */
import t from 'tap';
import type { ModelServer } from '../../../src/api/types.js';
import { checkModelServer, checkServing } from '../../../src/core/checks/check.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { profiles, type Said, surroundings, tells } from './boundaries.js';
import { type Base, draft, type Edit } from './example.js';
import { server } from './servers.js';

interface Given {
  readonly server?: ModelServer;
  readonly edits?: readonly Edit[];
  readonly base?: Base;
  readonly more?: Partial<CheckContext>;
}
/** What the author of the ModelServer hears, and what the author of the ModelServing does. */
type Row = readonly [given: string, Given, server: readonly Said[], serving: readonly Said[]];

export function boundaries(code: string, rows: readonly Row[]): void {
  t.test(code, async (t) => {
    for (const [given, { server: one = server(), edits = [], base = 'gpu', more }, toServer, toServing] of rows) {
      const reading = readServing(draft(base, ...edits), profiles);
      const context = { ...surroundings, ...more };
      const ofCode = (finding: { code: string }) => finding.code === code;
      tells(
        t,
        `${given}, to the server`,
        checkModelServer(one, { ...context, modelServings: [reading] }).filter(ofCode),
        toServer,
      );
      tells(
        t,
        `${given}, to the serving`,
        checkServing(reading, { ...context, modelServers: [one] }).filter(ofCode),
        toServing,
      );
    }
  });
}

/** Where the KV connector of a role is told, as findings name it. */
export const configAt = (index: number) => new RegExp(`^spec\\.template\\.roles\\[${index}\\].*args\\[\\d+\\]$`);
