import type { ModelServing } from '../../src/api/types.js';
import { copyJson, sameJson } from '../../src/base/json.js';
import { freshNote } from '../../src/core/expand/notes.js';
import { type AddToTemplates, expandTemplates } from '../../src/core/expand/serving.js';
import type { ExpandSettings, TemplateAdditions } from '../../src/core/expand/types.js';
import { listAt, objectAt, textAt, textsAt } from '../../src/core/reading/shape.js';
import { Counts } from '../../src/telemetry/series.js';
import { joined, type Patch, patchOf } from '../decision.js';
import { countByProfile } from './count-by-profile.js';

/** What the templates of a serving get, ready to be sent. */
export interface ReadyAdditions extends TemplateAdditions {
  readonly ready: Patch;
  /** `ready` and then this; most objects of one template get the same, so the last one is remembered. */
  readonly before: (metadata: Patch) => Patch;
  readonly injected: Readonly<Record<string, number>>;
}

function rememberingLast(ready: Patch): (metadata: Patch) => Patch {
  let last: { readonly json: string; readonly whole: Patch } | undefined;
  return (metadata) => {
    if (last?.json !== metadata.json) last = { json: metadata.json, whole: joined(ready, metadata) };
    return last.whole;
  };
}

interface Known {
  readonly written: ModelServing;
  readonly settings: ExpandSettings;
  /** Of the profiles. */
  readonly revision: string;
  readonly additions: ReadyAdditions;
  /** Characters of all its texts. */
  readonly size: number;
}

/** Characters of all texts that are held; their objects take a few times as many bytes. */
const mostHeld = 2_000_000;
/** One template must not drive out all others: no longer one is kept, nor one whose command lines alone are longer. */
const [longestTemplate, longestCommands] = [mostHeld / 16, mostHeld / 64];
const mostSeenOnce = 8_192;

/**
 * Expansions of templates that come again and again: a serving is applied anew by whoever keeps a cluster like its
 * repository, and one template serves many models. The additions are a pure function of what `templatesOf` leaves, of the
 * profiles' revision and of the settings object, so an equal template gets the same text. A template is kept when it comes
 * for the second time; the ones that have not been asked for longest go first.
 */
export class KnownExpansions {
  readonly #known = new Map<number, Known>();
  readonly #seenOnce = new Set<number>();
  readonly #counts = new Counts(
    'tandem_webhook_expansions_total',
    'Templates of ModelServings, by whether their expansion was known',
    ['outcome'],
  );
  #held = 0;

  readonly addToTemplates: AddToTemplates<ReadyAdditions> = (written, profiles, settings) => {
    const key = keyOf(written);
    if (key === undefined) return this.#expand('too-long', written, profiles, settings);
    const known = this.#known.get(key);
    if (known?.settings === settings && known.revision === profiles.revision && sameJson(known.written, written)) {
      this.#counts.add(1, 'known');
      this.#known.delete(key);
      this.#known.set(key, known);
      return known.additions;
    }
    if (this.#isFirst(key)) return this.#expand('new', written, profiles, settings);
    const copy = copyJson(written);
    const additions = this.#expand('second', written, profiles, settings);
    const { revision } = profiles;
    this.#hold(key, { written: copy, settings, revision, ...complete(copy, additions) });
    return additions;
  };

  /** Characters held at the moment. */
  get held(): number {
    return this.#held;
  }

  render(): string {
    return this.#counts.render();
  }

  #expand(outcome: string, ...given: Parameters<typeof expandTemplates>): ReadyAdditions {
    this.#counts.add(1, outcome);
    const { patch, ...additions } = expandTemplates(...given);
    const ready = patchOf(patch);
    return { ...additions, ready, before: rememberingLast(ready), injected: countByProfile(additions.reasons) };
  }

  /** Whether this is the first template with the key, as far as one remembers. */
  #isFirst(key: number): boolean {
    if (this.#seenOnce.has(key)) return false;
    if (this.#seenOnce.size >= mostSeenOnce) this.#seenOnce.clear();
    this.#seenOnce.add(key);
    return !this.#known.has(key);
  }

  #hold(key: number, known: Known): void {
    if (known.size > longestTemplate) return;
    this.#forget(key);
    this.#known.set(key, known);
    this.#held += known.size;
    for (const oldest of this.#known.keys()) {
      if (this.#held <= mostHeld) break;
      this.#counts.add(1, 'evicted');
      this.#forget(oldest);
    }
  }

  #forget(key: number): void {
    this.#held -= this.#known.get(key)?.size ?? 0;
    this.#known.delete(key);
  }
}

/** With the note that every object of this template gets. */
function complete(written: ModelServing, additions: ReadyAdditions): Pick<Known, 'additions' | 'size'> {
  const note = freshNote(additions.reasons);
  // What `before` remembers is the additions once more, as JSON and as base64.
  const size = JSON.stringify(written).length + 4 * additions.ready.json.length + 4 * note.length;
  return { additions: { ...additions, note }, size };
}

/**
 * A number for what templates differ by most, their images and command lines: whatever has the same one is compared whole.
 * Undefined where those are too long.
 */
function keyOf({ spec }: ModelServing): number | undefined {
  let key = 0;
  let length = 0;
  const take = (text: string): void => {
    length += text.length;
    if (length <= longestCommands) key = folded(key, text);
  };
  for (const role of listAt(objectAt(spec, 'template'), 'roles')) {
    takeCommands(objectAt(role, 'entryTemplate'), take);
    takeCommands(objectAt(role, 'workerTemplate'), take);
  }
  return length <= longestCommands ? key : undefined;
}

function takeCommands(template: unknown, take: (text: string) => void): void {
  for (const container of listAt(objectAt(template, 'spec'), 'containers')) {
    take(textAt(container, 'image') ?? '');
    for (const word of textsAt(container, 'command')) take(word);
    for (const word of textsAt(container, 'args')) take(word);
  }
}

function folded(key: number, text: string): number {
  let sum = Math.imul(key, 31) + text.length;
  for (let at = 0; at < text.length; at += 1) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return sum & 0x3fff_ffff;
}
