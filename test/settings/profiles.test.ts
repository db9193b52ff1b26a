import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { TandemError } from '../../src/base/errors.js';
import type { Profiles } from '../../src/core/profiles/types.js';
import { loadProfiles, type ProfileHistory, packagedProfiles, startProfiles } from '../../src/settings/profiles.js';

async function folderOfProfiles(t: { teardown(remove: () => Promise<void>): unknown }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-profiles-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await cp(packagedProfiles, folder, { recursive: true });
  return folder;
}

const amd = (cpu: string) =>
  `kind: accelerator\nname: new-chip\ntitle: A new chip\nvendor: v\nresources: [v.example/chip]\nengines: [vllm]\nconnectors: [nixl]\nperDevice: {cpu: "${cpu}", memory: 1Gi, because: x}\n`;

t.test('the package brings its profiles', async (t) => {
  t.match((await loadProfiles()).revision, /^[0-9a-f]{12}$/);
});

t.test('a folder that cannot be used is named, with what to do', async (t) => {
  await t.rejects(loadProfiles('/does/not/exist'), {
    code: 'profiles-unreadable',
    message: /\/does\/not\/exist.*name a folder with \*\.yaml/,
  });
  const folder = await folderOfProfiles(t);
  await writeFile(join(folder, 'bad.yaml'), 'kind: engine\nname: x\n');
  await t.rejects(loadProfiles(folder), {
    code: 'profiles-invalid',
    message: /bad\.yaml:1: the field "title" is missing/,
  });
});

t.test('a folder is followed', async (t) => {
  const folder = await folderOfProfiles(t);
  const stop = new AbortController();
  const changes: Profiles[] = [];
  const problems: unknown[] = [];
  let wake = (): void => undefined;
  const next = () => new Promise<void>((done) => (wake = done));
  const options = {
    folder,
    onChange: (profiles: Profiles) => {
      changes.push(profiles);
      wake();
    },
    onProblem: (error: unknown) => {
      problems.push(error);
      wake();
    },
  };
  await using live = await startProfiles(options, stop.signal);
  const first = live.current();

  let told = next();
  await writeFile(join(folder, 'new.yaml'), amd('1'));
  await told;
  t.equal(changes.length, 1);
  t.ok(live.current().accelerators.some(({ name }) => name === 'new-chip'));
  t.not(live.current().revision, first.revision);

  told = next();
  await writeFile(join(folder, 'new.yaml'), 'kind: [');
  await told;
  t.ok(problems[0] instanceof TandemError, 'a broken file is told');
  t.equal(live.current(), changes[0], 'and the last good profiles stay in use');

  told = next();
  await writeFile(join(folder, '.new'), amd('2'));
  await rename(join(folder, '.new'), join(folder, 'new.yaml'));
  await told;
  t.equal(changes.length, 2);
  await live.stop();
  await live.stop();
});

/** A history that several processes share. */
function sharedHistory(): ProfileHistory & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    read: async (atMost) =>
      [...kept]
        .map(([revision, text]) => ({ revision, text }))
        .reverse()
        .slice(0, atMost),
    keep: async ({ revision, text }) => {
      kept.delete(revision);
      kept.set(revision, text);
    },
  };
}

t.test('a history that cannot be read at first is read later', async (t) => {
  const folder = await folderOfProfiles(t);
  const history = sharedHistory();
  const stop = new AbortController();
  const first = await startProfiles({ folder, history, onProblem: (error) => t.fail(String(error)) }, stop.signal);
  await first.stop();
  await writeFile(join(folder, 'new.yaml'), amd('1'));
  const problems: unknown[] = [];
  let isDown = true;
  const unsteady: ProfileHistory = {
    ...history,
    read: async (atMost) => {
      if (isDown) throw new Error('the API server is away');
      return history.read(atMost);
    },
  };
  const onProblem = (error: unknown) => void problems.push(error);
  await using live = await startProfiles({ folder, history: unsteady, onProblem, rereadEvery: 5 }, stop.signal);
  t.match(problems, [{ message: 'the API server is away' }]);
  t.same([...(live.current().earlier?.keys() ?? [])], []);
  isDown = false;
  while (live.current().earlier?.size === 0) await turn();
  t.same([...(live.current().earlier?.keys() ?? [])], [first.current().revision]);
});

t.test('revisions outlive an edit, and with a history also the process', async (t) => {
  const folder = await folderOfProfiles(t);
  const history = sharedHistory();
  const run = async (content: string | undefined) => {
    if (content !== undefined) await writeFile(join(folder, 'new.yaml'), content);
    const problems: unknown[] = [];
    const onProblem = (error: unknown) => void problems.push(error);
    const stop = new AbortController();
    await using live = await startProfiles({ folder, history, onProblem }, stop.signal);
    t.same(problems, []);
    return live.current();
  };
  const first = await run(undefined);
  const second = await run(amd('1'));
  const third = await run(amd('2'));
  t.same([...(third.earlier?.keys() ?? [])].sort(), [first.revision, second.revision].sort());
  const { earlier: _, ...content } = second;
  t.same(third.earlier?.get(second.revision), content, 'the same profiles as then');
  const back = await run(amd('1'));
  t.equal(back.revision, second.revision, 'the revision is that of the content');
  t.equal(history.kept.size, 3, 'each is kept once');
  t.test('a file that cannot be read any more is told, and the others are used', async (t) => {
    history.kept.set(first.revision, 'kind: [');
    const problems: unknown[] = [];
    const stop = new AbortController();
    const onProblem = (error: unknown) => void problems.push(error);
    await using live = await startProfiles({ folder, history, onProblem }, stop.signal);
    t.match(problems, [{ code: 'profiles-invalid' }]);
    t.same([...(live.current().earlier?.keys() ?? [])], [third.revision]);
  });
});
