import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { modelServings } from '../../api/resources.js';
import type { ModelServing } from '../../api/types.js';
import type { Profiles } from '../../core/profiles/types.js';
import type { RawObject } from '../../kube/client.js';
import { startReflector } from '../../kube/reflector.js';
import { pods } from '../../kube/resources.js';
import { loadProfiles } from '../../settings/profiles.js';
import { createLogger, type LogLevel } from '../../telemetry/log.js';
import { ask } from '../demo/ask.js';
import { additionLines, additionsTo, findingLines, headline } from '../demo/report.js';
import { applyAll, deleteAll, placement } from '../demo/story.js';
import { isAvailable, until } from '../demo/wait.js';
import { type Lab, startLab } from '../lab.js';
import { readManifests } from '../manifests.js';
import { paint } from '../table.js';

export interface Options {
  readonly logLevel: LogLevel;
}

const sample = (name: string) => fileURLToPath(new URL(`../../../../config/samples/${name}`, import.meta.url));
const document = (name: string) =>
  ['modelserving', 'modelserver', 'modelroute'].map((kind) => sample(`${name}/${kind}.yaml`));

/** Each demo is a list of documents; a document is a list of files. */
const demos: Readonly<Record<string, readonly (readonly string[])[]>> = {
  gpu: [document('gpu')],
  npu: [document('npu')],
  terse: ['gpu', 'npu'].map((name) => [sample(`terse-${name}.yaml`), sample(`terse-${name}-route.yaml`)]),
};

export async function run(options: Options, which: string): Promise<number> {
  const chosen = which === 'all' ? Object.values(demos).flat() : demos[which];
  if (!chosen) throw new Error(`the command line let through the demo ${which}`);
  const abort = new AbortController();
  // Every part, watch and socket hangs on this one signal: many listeners are the design, not a leak.
  setMaxListeners(0, abort.signal);
  const stopOnSignal = () => abort.abort(new Error('stopped by a signal'));
  process.once('SIGINT', stopOnSignal);
  process.once('SIGTERM', stopOnSignal);
  const warnings: string[] = [];
  const began = performance.now();
  const lab = await startLab({ logLevel: options.logLevel, onWarning: (text) => warnings.push(text) }, abort.signal);
  try {
    say(
      paint(
        'dim',
        `the lab is up after ${seconds(began)} s: API server, scheduler, kubelet, webhook, controller, extender, router\n`,
      ),
    );
    let clean = true;
    const profiles = await loadProfiles();
    for (const files of chosen) clean = (await tell({ lab, profiles, warnings, signal: abort.signal }, files)) && clean;
    say(paint('dim', `done in ${seconds(began)} s`));
    return clean ? 0 : 1;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    process.stderr.write('stopped\n');
    return 130;
  } finally {
    process.off('SIGINT', stopOnSignal);
    process.off('SIGTERM', stopOnSignal);
    await lab.stop();
    abort.abort();
  }
}

interface Stage {
  readonly lab: Lab;
  readonly profiles: Profiles;
  /** Filled by the API server's answers. */
  readonly warnings: string[];
  readonly signal: AbortSignal;
}

/** One document from apply to clean-up; false when something of it is left. */
async function tell({ lab, profiles, warnings, signal }: Stage, files: readonly string[]): Promise<boolean> {
  warnings.length = 0;
  const manifests = readManifests(files);
  const applied = await applyAll(lab.client, manifests);
  const { namespace = 'default', name = '' } = applied.serving.metadata;
  const found = [...new Set(warnings)];
  const written = manifests.find(({ object }) => object.kind === 'ModelServing')?.object as unknown as ModelServing;
  const added = additionsTo(written, profiles);
  say(headline(name, added, found.length));
  for (const line of [...findingLines(found), ...additionLines(added)]) say(line);
  await using watched = watch(lab, namespace);
  await until(watched.servings, () => isAvailable(watched.servings.get(namespace, name)), signal);
  const placed = await placement(lab.client, applied.serving);
  row('placed', placed.sentence);
  const router = lab.part('router').address;
  row('POST /v1/chat/completions', await ask(`http://${router?.host}:${router?.port}`, applied.modelName, signal));
  // Decode has read the KV by now, so prefill must keep nothing.
  const blocks = lab.kubelet.blocksHeld();
  await deleteAll(lab.client, applied.objects);
  const own = new Set(placed.pods.map(({ metadata }) => metadata.uid));
  await until(watched.pods, () => watched.pods.list().every(({ metadata }) => !own.has(metadata.uid)), signal);
  return reportClean(lab, own.size === 0 ? 1 : watched.pods.list().length, blocks);
}

function reportClean(lab: Lab, pods: number, blocks: number): boolean {
  const engines = lab.kubelet.engines();
  const connections = engines.reduce((sum, { engine }) => sum + engine.stats().connections, 0);
  const isClean = pods === 0 && blocks === 0 && engines.length === 0 && connections === 0;
  const label = isClean ? 'clean' : paint('red', 'LEFT BEHIND');
  row(label, `${pods} pods, ${engines.length} engines, ${blocks} KV blocks held, ${connections} connections open\n`);
  return isClean;
}

function watch(lab: Lab, namespace: string) {
  const end = new AbortController();
  const options = { namespace, signal: end.signal, logger: createLogger('demo', 'silent') };
  return {
    servings: startReflector<ModelServing & RawObject>(lab.client, modelServings, options),
    pods: startReflector<RawObject>(lab.client, pods, options),
    async [Symbol.asyncDispose]() {
      end.abort();
    },
  };
}

const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1);
const say = (line: string) => process.stdout.write(`${line}\n`);
const row = (label: string, text: string) => say(`${label.padEnd(18)} ${text}`);
