import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, table } from '../base/errors.js';
import type { Running } from '../base/running.js';
import { describeProblem, type ProfileFile, parseProfiles } from '../core/profiles/parse.js';
import type { Profiles } from '../core/profiles/types.js';

export const profileErrors = table({
  'profiles-unreadable': {
    status: 500,
    retryable: true,
    says: (m: { folder: string; why: string }) =>
      `cannot read the profiles in ${m.folder}: ${m.why}; name a folder with *.yaml profile files, such as config/profiles`,
  },
  'profiles-invalid': {
    status: 500,
    retryable: false,
    says: (m: { problems: readonly string[] }) =>
      `${m.problems.length} ${m.problems.length === 1 ? 'thing is' : 'things are'} wrong with the profiles:\n  ${m.problems.join('\n  ')}\ncorrect the files; no profile is used until all are right`,
  },
});

/** The profiles that come with the package. */
export const packagedProfiles: string = fileURLToPath(new URL('../../../config/profiles', import.meta.url));

/** Reads every `*.yaml` of a folder. Throws a `TandemError` that lists all that is wrong, with file, line and path. */
export async function loadProfiles(folder: string = packagedProfiles): Promise<Profiles> {
  const parsed = parseProfiles(await readFolder(folder));
  if (!parsed.ok) throw profileErrors('profiles-invalid', { problems: parsed.problems.map(describeProblem) });
  return parsed.profiles;
}

async function readFolder(folder: string): Promise<readonly ProfileFile[]> {
  try {
    // A mounted ConfigMap shows its files as links beside hidden folders.
    const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.'));
    const files = await Promise.all(
      names.map(async (name) => ({ name: join(folder, name), text: await readFile(join(folder, name), 'utf8') })),
    );
    if (files.length === 0) throw new Error('there is no *.yaml file in it');
    return files;
  } catch (error) {
    throw profileErrors('profiles-unreadable', { folder, why: describeError(error) }, error);
  }
}

/** One revision as text: what `parseProfiles` reads, and what a history keeps. */
export interface ProfileRevision {
  readonly revision: string;
  readonly text: string;
}

/** Where revisions outlive the process. */
export interface ProfileHistory {
  /** What is kept, newest first, at most as many as asked for. */
  read(atMost: number): Promise<readonly ProfileRevision[]>;
  /** Keeps a revision; one that is kept already stays as it is. */
  keep(revision: ProfileRevision): Promise<void>;
}

/** Revisions that are held for servings pinned to them, about 100 KB each. */
const mostRevisions = 50;

/** Text from which the same profiles, with the same revision, are read again. */
export function profilesAsText({ accelerators, engines, connectors, models, networks }: Profiles): string {
  return [...accelerators, ...engines, ...connectors, ...models, ...networks]
    .map((profile) => JSON.stringify(profile))
    .join('\n---\n');
}

export interface ProfileWatch {
  /** Folder of `*.yaml` files; the package's own when absent. */
  readonly folder?: string;
  /** Keeps revisions beyond this process; without it those seen by this process are held. */
  readonly history?: ProfileHistory;
  /** Milliseconds until a history that could not be read is tried again; default 10,000. */
  readonly rereadEvery?: number;
  /** Called after each change of content, never for a change of comments or file names. */
  readonly onChange?: (profiles: Profiles) => void;
  /** Called when a change cannot be used; what was read before stays in use. */
  readonly onProblem: (error: unknown) => void;
}

export interface LiveProfiles extends Running {
  readonly current: () => Profiles;
}

/** How long a history that could not be read is left alone. */
const rereadMilliseconds = 10_000;

/** Time for an editor or kubelet to finish writing several files. */
const settleMilliseconds = 50;

/**
 * Loads a folder and follows it. Rejects when the first reading fails; later a broken folder leaves the last good set in
 * use. Every set brings the earlier ones, so that what is pinned to one of them stays as it is.
 */
export async function startProfiles(options: ProfileWatch, signal: AbortSignal): Promise<LiveProfiles> {
  const folder = options.folder ?? packagedProfiles;
  const revisions = new Revisions(options);
  let profiles = await revisions.take(await loadProfiles(folder));
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> = Promise.resolve();
  const reload = async (): Promise<void> => {
    try {
      const next = await loadProfiles(folder);
      if (signal.aborted || next.revision === profiles.revision) return;
      profiles = await revisions.take(next);
      options.onChange?.(profiles);
    } catch (error) {
      options.onProblem(error);
    }
  };
  const watcher: FSWatcher = watch(folder, () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      reading = reading.then(reload);
    }, settleMilliseconds);
  });
  watcher.on('error', options.onProblem);
  const again = async (): Promise<void> => {
    profiles = await revisions.take(profiles);
  };
  // Without the history what is pinned to an earlier revision would be made by the current one.
  const reread = setInterval(() => {
    if (revisions.isRead) clearInterval(reread);
    else reading = reading.then(again);
  }, options.rereadEvery ?? rereadMilliseconds).unref();
  const stop = async (): Promise<void> => {
    clearTimeout(timer);
    clearInterval(reread);
    watcher.close();
    await reading;
  };
  signal.addEventListener('abort', () => void stop(), { once: true });
  return { current: () => profiles, ready: Promise.resolve(), stop, [Symbol.asyncDispose]: stop };
}

/** The revisions that are known, oldest first. What cannot be kept or read is told, and the current profiles are used. */
class Revisions {
  readonly #known = new Map<string, Profiles>();
  readonly #options: ProfileWatch;
  #isRead = false;

  /** What was kept before this process is known. */
  get isRead(): boolean {
    return this.#isRead;
  }

  constructor(options: ProfileWatch) {
    this.#options = options;
  }

  /** Makes a set the current one; it brings the others. */
  async take(current: Profiles): Promise<Profiles> {
    await this.#read();
    this.#known.delete(current.revision);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= mostRevisions) this.#known.delete(oldest);
    const earlier = new Map(this.#known);
    this.#known.set(current.revision, current);
    await this.#try(() => this.#options.history?.keep({ revision: current.revision, text: profilesAsText(current) }));
    return { ...current, earlier };
  }

  async #read(): Promise<void> {
    if (this.#isRead) return;
    await this.#try(async () => {
      const kept = (await this.#options.history?.read(mostRevisions)) ?? [];
      this.#isRead = true;
      for (const { revision, text } of [...kept].reverse()) {
        const parsed = parseProfiles([{ name: `revision ${revision}`, text }]);
        if (parsed.ok) this.#known.set(parsed.profiles.revision, parsed.profiles);
        else
          this.#options.onProblem(
            profileErrors('profiles-invalid', { problems: parsed.problems.map(describeProblem) }),
          );
      }
    });
  }

  async #try(work: () => Promise<void> | undefined): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.onProblem(error);
    }
  }
}
