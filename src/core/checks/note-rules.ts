import { tandemKeys } from '../../api/names.js';
import { asText, isObject } from '../../base/json.js';
import { readNote } from '../expand/notes.js';
import { listAt, objectAt } from '../reading/shape.js';
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
      for (const { name, at, template } of parts(role)) {
        for (const field of missingFields(readNote(said[tandemKeys.expanded.key], [name]).get(name), template)) {
          yield finding(`${role.path}.${at}`, {
            saw: `no ${field}`,
            want: 'what the terse form wrote',
            fix: 'put it back, or empty the templates of the role and all of it is written anew',
          });
        }
      }
    }
  },
});

function parts({ name, template, workerTemplate }: RoleReading) {
  const entry = { name, at: 'entryTemplate', template };
  return workerTemplate
    ? [entry, { name: `${name} workers`, at: 'workerTemplate', template: workerTemplate }]
    : [entry];
}

const container = /^containers\[[^\]]*\]$/;

/** Noted fields that are missing although the container that was noted with them stands. */
function missingFields(noted: Noted | undefined, template: unknown): readonly string[] {
  const fields = [...(noted?.values() ?? [])].flatMap((set) => [...set]);
  const made = fields.find((field) => container.test(field));
  if (made === undefined) return [];
  if (!isThere(made, template)) return listAt(objectAt(template, 'spec'), 'containers').length === 0 ? [made] : [];
  return fields.filter((field) => field !== 'workerReplicas' && !isThere(field, template));
}

type Noted = ReadonlyMap<string, ReadonlySet<string>>;

/** Whether a field stands in a template, by the name that the note gives it: `containers[vllm].args[--port]`. */
function isThere(field: string, template: unknown): boolean {
  const [first = '', ...rest] = [...field.matchAll(/\["([^"]*)"\]|\[([^\]]*)\]|\.?([A-Za-z][-\w]*)/g)].map(
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
      : isObject(item) && identities.some((key) => asText(item[key]) === name),
  );
}
