import { tandemKeys } from '../../api/names.js';
import { asText, isObject } from '../../base/json.js';
import type { Profiles } from '../profiles/types.js';
import { textAt } from '../reading/shape.js';
import type { Draft } from './draft.js';
import type { Place, Reason, TemplateAdditions } from './types.js';

/** Longest text of the `tandem.dev/expanded` annotation, in characters (ASCII but for names of the user's). */
const longest = 4000;

/** Role → profile → fields. Maps, because role names come from outside. */
type Noted = Map<string, Map<string, Set<string>>>;

/**
 * Writes what was added into `tandem.dev/expanded`, sorted. What an earlier expansion noted stays for roles that still
 * exist, so a second expansion changes nothing, and re-applying the same file gives the same note. A role whose container
 * was written anew has no earlier note.
 */
export function noteAdditions(
  draft: Draft,
  { reasons, names, note }: Pick<TemplateAdditions, 'reasons' | 'names' | 'note'>,
): void {
  if (reasons.length === 0) return;
  const { key } = tandemKeys.expanded;
  const metadata = isObject(draft.object['metadata']) ? draft.object['metadata'] : {};
  const earlier = textAt(metadata['annotations'], key);
  const text = earlier === undefined ? (note ?? freshNote(reasons)) : continuedNote(earlier, reasons, names);
  write(draft, ['metadata', 'annotations', key], text);
}

/** The note of an object that has none. */
export const freshNote = (reasons: readonly Reason[]): string => withReasons(new Map(), reasons);

function continuedNote(earlier: string, reasons: readonly Reason[], names: readonly string[]): string {
  const anew = new Set(reasons.filter(writesContainer).map(({ role }) => role));
  const stays = (role: string, field: string) => !anew.has(role) || field === outsideTemplates;
  return withReasons(readNote(earlier, names, stays), reasons);
}

function withReasons(noted: Noted, reasons: readonly Reason[]): string {
  for (const { role, by, field } of reasons) noteFor(noted, role, by).add(field);
  return fitted(noted);
}

/** Pins the profiles that were used, unless the object is pinned already. */
export function pinProfiles(draft: Draft, profiles: Profiles, used: readonly string[]): void {
  if (used.length === 0) return;
  const value = `${[...new Set(used)].sort().join(',')}@${profiles.revision}`;
  const place = ['metadata', 'annotations', tandemKeys.profiles.key];
  draft.add([], { kind: 'field', place, value, by: 'tandem', because: 'the pin' });
}

/** Revision in a pin such as `nixl,nvidia,vllm@566e10e05b3f`; undefined when there is none. */
export const pinnedRevision = (pin: string | undefined): string | undefined => pin?.split('@')[1];

/** The one field that is added to a role itself. */
const outsideTemplates = 'workerReplicas';

const writesContainer = ({ step, field }: Reason): boolean => step === 'terse' && /^containers\[[^\]]*\]$/.test(field);

function write(draft: Draft, place: Place, value: string): void {
  if (draft.replace(place, value)) return;
  draft.add([], { kind: 'field', place, value, by: 'tandem', because: 'the note' });
}

function addAll(noted: Set<string>, fields: readonly string[]): void {
  for (const field of fields) noted.add(field);
}

/** The fields that are noted for a role and a profile. */
function noteFor(noted: Noted, role: string, by: string): Set<string> {
  const profiles = member(noted, role, () => new Map<string, Set<string>>());
  return member(profiles, by, () => new Set<string>());
}

/** The member of a map, made when it is not there. */
function member<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** What an annotation says was added to these roles; nothing where it only counts, or is somebody else's text. */
export function readNote(
  text: string | undefined,
  roles: readonly string[],
  stays: (role: string, field: string) => boolean = () => true,
): Noted {
  const noted: Noted = new Map();
  // Ours is never longer, and what a hostile one unfolds to has no bound.
  if (text === undefined || text.length > longest) return noted;
  const parsed = Object.entries(parse(text));
  for (const role of roles) {
    for (const [profile, fields] of parsed.flatMap(([names, profiles]) => fieldsOf(names, role, profiles))) {
      const kept = fields.filter((field) => stays(role, field));
      if (kept.length > 0) addAll(noteFor(noted, role, profile), kept);
    }
  }
  return noted;
}

/** Profile and fields of a role in one member of the note, whose key names one or several roles. */
function fieldsOf(names: string, role: string, profiles: unknown): readonly (readonly [string, readonly string[]])[] {
  if (!isObject(profiles) || !names.split(',').includes(role)) return [];
  return Object.entries(profiles).map(([profile, fields]) => {
    const listed = Array.isArray(fields) ? fields.map(asText).filter((field) => !counted.test(field)) : [];
    return [profile, listed.flatMap(unfold)] as const;
  });
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    // Somebody else's text under our key: the note begins anew.
    return {};
  }
}

const counted = /^\d+ fields$/;

/**
 * The whole note; with what several roles have in common said once where that is too long; the number of fields per
 * profile when that is all there is room for.
 */
function fitted(noted: Noted): string {
  const whole = spell(noted, fold);
  if (whole.length <= longest) return whole;
  const shared = spell(joined(noted), fold);
  if (shared.length <= longest) return shared;
  const counts = spell(noted, (fields) => [`${fields.length} fields`]);
  return counts.length <= longest ? counts : '{}';
}

function spell(noted: Noted, fields: (all: readonly string[]) => readonly string[]): string {
  const roles = [...noted].map(([role, profiles]) => {
    const sorted = [...profiles].sort(byName);
    return [role, Object.fromEntries(sorted.map(([profile, all]) => [profile, fields([...all].sort())]))];
  });
  return JSON.stringify(Object.fromEntries(roles));
}

/** The note by the roles that share a field, their names joined by commas, which no role name contains. */
function joined(noted: Noted): Noted {
  const owners = new Map<string, { readonly by: string; readonly field: string; readonly roles: string[] }>();
  for (const [role, profiles] of [...noted].sort(byName)) {
    for (const [by, fields] of [...profiles].sort(byName)) {
      for (const field of [...fields].sort()) {
        const known = owners.get(`${by} ${field}`) ?? { by, field, roles: [] };
        known.roles.push(role);
        owners.set(`${by} ${field}`, known);
      }
    }
  }
  const all: Noted = new Map();
  for (const { by, field, roles } of owners.values()) noteFor(all, roles.join(), by).add(field);
  return all;
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/** Elements of one list share an entry: `env[A]` and `env[B]` become `env[A,B]`. */
function fold(fields: readonly string[]): readonly string[] {
  const lists = new Map<string, string[]>();
  for (const field of fields) {
    const open = elementAt(field);
    const names = member(lists, open < 0 ? field : field.slice(0, open), () => []);
    if (open >= 0) names.push(field.slice(open + 1, -1));
  }
  const whole = new Set(fields);
  const folded: string[] = [];
  for (const [list, names] of lists) {
    if (names.length === 0 || whole.has(list)) folded.push(list);
    if (names.length > 0) folded.push(`${list}[${names.join()}]`);
  }
  return folded;
}

/** Where the bracket of `list[name]` opens; -1 for a field that is no element of a list. */
function elementAt(field: string): number {
  if (!field.endsWith(']')) return -1;
  const open = field.lastIndexOf('[');
  return open < field.length - 2 && field.indexOf(']', open) === field.length - 1 ? open : -1;
}

/** The opposite of `fold`. */
function unfold(folded: string): readonly string[] {
  const open = elementAt(folded);
  if (open < 0) return [folded];
  const list = folded.slice(0, open);
  const names = folded.slice(open + 1, -1).split(',');
  return names.map((name) => `${list}[${name}]`);
}
