import type { Container } from '../../api/kube.js';
import type { EngineProfile } from '../profiles/types.js';
import { readFlags } from './flags.js';
import { patternOf } from './pattern.js';
import type { Recognised } from './recognise.js';
import { textAt } from './shape.js';
import type { EngineReading } from './types.js';

/** What the engine's command line says, with the engine's own defaults for what it leaves out. */
export function readEngine(
  container: Container,
  path: string,
  recognised: Recognised,
  workerReplicas: number,
): EngineReading {
  const { profile, words } = recognised;
  const { args, at, positional, servedNames } = readFlags(words, profile.flags);
  const model =
    textOf(args.get(profile.flags.model)) ?? (profile.flags.positionalModel ? positional[0]?.text : undefined);
  const flag = (name: string | undefined) => (name === undefined ? undefined : textOf(args.get(name)));
  return {
    profile,
    // Arguments from a file are not in the manifest, so nothing that is missing here is known to be missing.
    reading: args.has('config') ? 'opaque' : recognised.certainty,
    args,
    argPaths: below(path, at),
    version: versionOf(profile, textAt(container, 'image') ?? ''),
    model,
    servedNames: servedNames.length > 0 ? servedNames : model === undefined ? [] : [model],
    host: flag('host'),
    port: whole(flag('port')) ?? profile.port,
    apiPorts: apiPorts(profile, flag, args),
    ...parallelism(profile.flags, flag, args, workerReplicas),
  };
}

function below(path: string, at: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const [name, where] of at) paths.set(name, `${path}.${where}`);
  return paths;
}

const textOf = (value: string | true | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) && Number(text) > 0 ? Number(text) : undefined;
}

/** More ranks than this are in no pod. */
export const mostRanks = 64;

function apiPorts(
  { flags, port }: EngineProfile,
  flag: (name: string | undefined) => string | undefined,
  args: ReadonlyMap<string, unknown>,
): readonly number[] {
  const first = whole(flag('port')) ?? port;
  const each = flags.apiForEachRank !== undefined && args.has(flags.apiForEachRank);
  const ranks = each ? (whole(flag(flags.dataParallelLocal)) ?? 1) : 1;
  if (ranks === 1) return [first];
  return Array.from({ length: Math.min(ranks, mostRanks) }, (_, rank) => first + rank);
}

function parallelism(
  flags: EngineProfile['flags'],
  flag: (name: string | undefined) => string | undefined,
  args: ReadonlyMap<string, unknown>,
  workerReplicas: number,
) {
  const size = (name: string | undefined) => whole(flag(name)) ?? 1;
  const pods = workerReplicas + 1;
  const tensorParallel = size(flags.tensorParallel);
  const pipelineParallel = size(flags.pipelineParallel);
  const dataParallel = size(flags.dataParallel);
  const world = tensorParallel * pipelineParallel * size(flags.contextParallel);
  const inside = flags.dataParallelInside !== undefined && args.has(flags.dataParallelInside);
  const local = whole(flag(flags.dataParallelLocal)) ?? Math.ceil(dataParallel / pods);
  const ranks = inside ? world : world * local;
  // One replica of the model over several pods: each holds its share of the world.
  const nodes = Math.max(size(flags.nodes), dataParallel > 1 ? 1 : pods);
  return { tensorParallel, pipelineParallel, dataParallel, ranksPerPod: Math.ceil(ranks / nodes) };
}

function versionOf(profile: EngineProfile, image: string): string | undefined {
  return profile.version === undefined ? undefined : patternOf(profile.version).exec(image)?.[1];
}
