/** Kubernetes Events about objects: what `kubectl describe` shows. Equal ones become one with a count. */
import { createHash } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.js';
import { describeError } from '../base/errors.js';
import { type Logger, once } from '../telemetry/log.js';
import type { KubeClient, RawObject } from './client.js';
import { isAlreadyExists, isNotFound } from './kube-error.js';
import { events } from './resources.js';

export interface EventAbout {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  /** One word in upper camel case. */
  readonly reason: string;
  /** At most 1024 characters are kept. */
  readonly message: string;
  /**
   * Given when the Event is said once: its name is made of this, so whoever says it second (another replica, the same
   * process after a restart) finds it there and writes nothing, for as long as Events live.
   */
  readonly once?: string;
}

export interface EventRecorder {
  /** Never throws and never waits: an Event that cannot be written is logged. */
  record(about: EventAbout, text: EventText): void;
  /** Resolves when everything recorded so far is written or given up. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly component: string;
  readonly logger: Logger;
  readonly clock?: Clock;
}

interface Known {
  readonly name: string;
  readonly first: string;
  count: number;
  /** Milliseconds since the epoch of the last write. */
  written: number;
}

const remembered = 1000;
const queued = 500;
/** A repeated Event is written at most this often, in milliseconds; its count then has all of them. */
const quiet = 5_000;

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, component, clock = systemClock } = options;
  const warn = once(options.logger);
  const known = new Map<string, Known>();
  let tail: Promise<void> = Promise.resolve();
  let depth = 0;

  const write = async (about: EventAbout, text: EventText, key: string): Promise<void> => {
    const now = timeOf(clock);
    if (text.once !== undefined) return await createOnce(options, about, text, text.once);
    const before = known.get(key);
    if (before !== undefined) {
      before.count += 1;
      if (clock.now() - before.written < quiet) return;
      before.written = clock.now();
      if (await bump(client, about.namespace, before, now)) return;
    }
    const name = `${about.name}.${digest(`${key}/${clock.now()}`)}`;
    remember(known, key, { name, first: now, count: 1, written: clock.now() });
    await client.create(events, eventObject(about, text, { name, now, component }));
  };

  return {
    record(about, text) {
      if (depth >= queued) {
        warn('event-queue', 'too many Events wait to be written; further ones are dropped', { queued });
        return;
      }
      depth += 1;
      const key = `${about.uid}/${text.type}/${text.reason}/${text.message}`;
      tail = tail
        .then(() => write(about, text, key))
        .catch((error: unknown) => {
          warn(text.reason, 'an Event could not be written', { about: about.name, error: describeError(error) });
        })
        .finally(() => {
          depth -= 1;
        });
    },
    flush: () => tail,
  };
}

async function createOnce(
  { client, component, clock = systemClock }: EventRecorderOptions,
  about: EventAbout,
  text: EventText,
  once: string,
): Promise<void> {
  const name = `${about.name}.${digest(`${about.uid}/${once}`)}`;
  const event = eventObject(about, text, { name, now: timeOf(clock), component });
  try {
    await client.create(events, event, { namespace: about.namespace });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

const timeOf = (clock: Clock): string => new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');

/** False when the Event is gone (they live for an hour) and must be written anew. */
async function bump(client: KubeClient, namespace: string, event: Known, now: string): Promise<boolean> {
  try {
    const where = { namespace, name: event.name };
    await client.patch(events, where, 'merge', { count: event.count, lastTimestamp: now });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function eventObject(
  about: EventAbout,
  text: EventText,
  { name, now, component }: { name: string; now: string; component: string },
): RawObject {
  const { namespace } = about;
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: about,
    type: text.type,
    reason: text.reason,
    message: text.message.slice(0, 1024),
    source: { component },
    reportingComponent: component,
    reportingInstance: component,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
  return event;
}

function remember(known: Map<string, Known>, key: string, value: Known): void {
  known.delete(key);
  known.set(key, value);
  const oldest = known.keys().next();
  if (known.size > remembered && !oldest.done) known.delete(oldest.value);
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);
