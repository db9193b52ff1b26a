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

export interface ProfileWatch {
  /** Folder of `*.yaml` files; the package's own when absent. */
  readonly folder?: string;
  /** Called after each change of content, never for a change of comments or file names. */
  readonly onChange?: (profiles: Profiles) => void;
  /** Called when a change cannot be used; what was read before stays in use. */
  readonly onProblem: (error: unknown) => void;
}

export interface LiveProfiles extends Running {
  readonly current: () => Profiles;
}

/** Time for an editor or kubelet to finish writing several files. */
const settleMilliseconds = 50;

/** Loads a folder and follows it. Rejects when the first reading fails; later a broken folder leaves the last good set in use. */
export async function startProfiles(options: ProfileWatch, signal: AbortSignal): Promise<LiveProfiles> {
  const folder = options.folder ?? packagedProfiles;
  let profiles = await loadProfiles(folder);
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> = Promise.resolve();
  const reload = async (): Promise<void> => {
    try {
      const next = await loadProfiles(folder);
      if (signal.aborted || next.revision === profiles.revision) return;
      profiles = next;
      options.onChange?.(next);
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
  const stop = async (): Promise<void> => {
    clearTimeout(timer);
    watcher.close();
    await reading;
  };
  signal.addEventListener('abort', () => void stop(), { once: true });
  return { current: () => profiles, ready: Promise.resolve(), stop, [Symbol.asyncDispose]: stop };
}
