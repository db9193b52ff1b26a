import { tandemKeys } from '../../api/names.js';
import { isObject } from '../../base/json.js';
import { readNote } from '../expand/notes.js';
import { objectAt } from '../reading/shape.js';
import type { RoleReading } from '../reading/types.js';
import { finding } from './finding.js';
import { servingRule } from './subject.js';

/**
 * A container that has arguments is a hand-written one, so nothing of the terse form is written into it again: what was
 * taken out of it is only told.
 */
export const terseFormIsWhole = servingRule({
  code: 'TND-118',
  severity: 'warning',
  title: 'What the terse form wrote is still there',
  because: 'it is not written again into a container that stands, and the pod was complete with it',
  source: 'Tandem, DESIGN 4.1',
  *check({ serving, roles }) {
    const said = serving.metadata.annotations ?? {};
    if (said[tandemKeys.model.key] === undefined) return;
    for (const role of roles) {
      for (const [name, part] of parts(role)) {
        const [noted = new Map<string, ReadonlySet<string>>()] = readNote(said[tandemKeys.expanded.key], [
          name,
        ]).values();
        const fields = [...noted.values()].flatMap((set) => [...set]);
        for (const field of fields.filter((one) => isGone(one, fields, part.template))) {
          yield finding(`${role.path}.${part.at}`, {
            saw: `no ${field}`,
            want: 'what the terse form wrote',
            fix: 'put it back, or remove the container and all of it is written anew',
          });
        }
      }
    }
  },
});

function parts({ name, template, workerTemplate }: RoleReading) {
  const entry = [name, { at: 'entryTemplate', template }] as const;
  return workerTemplate
    ? [entry, [`${name} workers`, { at: 'workerTemplate', template: workerTemplate }] as const]
    : [entry];
}

const container = /^containers\[([^\]]*)\]/;

/** Whether a noted field is missing although the container that was noted with it stands. */
function isGone(field: string, noted: readonly string[], template: unknown): boolean {
  const made = noted.find((one) => new RegExp(`${container.source}$`).test(one));
  const isOurs = made !== undefined && isThere(made, template) && !field.startsWith('workerReplicas');
  return isOurs && !isThere(field, template);
}

/** Whether a field stands in a template, by the name that the note gives it: `containers[vllm].args[--port]`. */
function isThere(field: string, template: unknown): boolean {
  const [first = '', ...rest] = [...field.matchAll(/\["([^"]*)"\]|\[([^\]]*)\]|\.?([A-Za-z]\w*)/g)].map(
    ([, quoted, chosen, plain]) => quoted ?? chosen ?? plain ?? '',
  );
  const root = first === 'metadata' ? template : objectAt(template, 'spec');
  return [first, ...rest].reduce<unknown>(memberOf, root) !== undefined;
}

const identities = ['name', 'mountPath', 'containerPort'] as const;

function memberOf(at: unknown, name: string): unknown {
  if (!Array.isArray(at)) return isObject(at) ? (at[name] ?? undefined) : undefined;
  return at.find((item: unknown) =>
    typeof item === 'string'
      ? item === name || item.startsWith(`${name}=`)
      : isObject(item) && identities.some((key) => String(item[key]) === name),
  );
}
