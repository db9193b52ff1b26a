import type { ModelServing } from '../../src/api/types.js';
import { copyJson, sameJson } from '../../src/base/json.js';
import { freshNote } from '../../src/core/expand/notes.js';
import { type AddToTemplates, expandTemplates } from '../../src/core/expand/serving.js';
import type { ExpandSettings, TemplateAdditions } from '../../src/core/expand/types.js';
import type { Profiles } from '../../src/core/profiles/types.js';
import { listAt, objectAt, textAt, textsAt } from '../../src/core/reading/shape.js';
import { Counts } from '../../src/telemetry/series.js';
import { type Patch, patchOf } from '../decision.js';
import { countByProfile } from './count-by-profile.js';

/** What the templates of a serving get, ready to be sent. */
export interface ReadyAdditions extends TemplateAdditions {
  readonly ready: Patch;
  readonly injected: Readonly<Record<string, number>>;
}

interface Known {
  readonly written: ModelServing;
  readonly settings: ExpandSettings;
  readonly additions: ReadyAdditions;
  /** Characters of all its texts. */
  readonly size: number;
}

/** Characters of all texts that are held; their objects take a few times as many bytes. */
const mostHeld = 2_000_000;
/** One template must not drive out all others: a command line of more characters than this is not kept, nor so long a template. */
const [longestKey, longestTemplate] = [mostHeld / 64, mostHeld / 16];
/** A key that was seen once has no texts beside itself. */
const seenOnce = undefined;

/**
 * Expansions of templates that come again and again: a serving is applied anew by whoever keeps a cluster like its
 * repository, and one template serves many models. The additions are a pure function of what `templatesOf` leaves, of the
 * profiles' revision and of the settings object, so an equal template gets the same text. A template is kept when it comes for the
 * second time; the ones that have not been asked for longest go first.
 */
export class KnownExpansions {
  readonly #known = new Map<string, Known | typeof seenOnce>();
  readonly #counts = new Counts(
    'tandem_webhook_expansions_total',
    'Templates of ModelServings, by whether their expansion was known',
    ['outcome'],
  );
  #held = 0;

  readonly addToTemplates: AddToTemplates<ReadyAdditions> = (written, profiles, settings) => {
    const key = keyOf(written, profiles);
    if (key.length > longestKey) return this.#expand('too-long', written, profiles, settings);
    const known = this.#known.get(key);
    if (known?.settings === settings && sameJson(known.written, written)) {
      this.#counts.add(1, 'known');
      this.#known.delete(key);
      this.#known.set(key, known);
      return known.additions;
    }
    if (!this.#known.has(key)) {
      this.#hold(key, seenOnce);
      return this.#expand('new', written, profiles, settings);
    }
    const copy = copyJson(written);
    const additions = this.#expand('second', written, profiles, settings);
    const whole = complete(copy, settings, additions);
    if (whole.size <= longestTemplate) this.#hold(key, whole);
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
    return { ...additions, ready: patchOf(patch), injected: countByProfile(additions.reasons) };
  }

  #hold(key: string, known: Known | typeof seenOnce): void {
    this.#forget(key);
    this.#known.set(key, known);
    this.#held += key.length + (known?.size ?? 0);
    for (const oldest of this.#known.keys()) {
      if (this.#held <= mostHeld) break;
      this.#counts.add(1, 'evicted');
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    const known = this.#known.get(key);
    if (!this.#known.delete(key)) return;
    this.#held -= key.length + (known?.size ?? 0);
  }
}

/** With the note that every object of this template gets. */
function complete(written: ModelServing, settings: ExpandSettings, additions: ReadyAdditions): Known {
  const note = freshNote(additions.reasons);
  const size = JSON.stringify(written).length + additions.ready.json.length + note.length;
  return { written, settings, additions: { ...additions, note }, size };
}

/** What templates differ by most: images and command lines. Those with one key are compared whole. */
function keyOf({ metadata, spec }: ModelServing, { revision }: Profiles): string {
  const parts = [revision, JSON.stringify(metadata)];
  for (const role of listAt(objectAt(spec, 'template'), 'roles')) {
    for (const template of ['entryTemplate', 'workerTemplate']) {
      for (const container of listAt(objectAt(objectAt(role, template), 'spec'), 'containers')) {
        parts.push(textAt(container, 'image') ?? '', ...textsAt(container, 'command'), ...textsAt(container, 'args'));
      }
    }
  }
  return parts.join('\n');
}
