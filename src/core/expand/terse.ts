import { env, tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import { withoutSlash } from '../../base/path.js';
import type { EngineProfile, Profiles, TerseArgument } from '../profiles/types.js';
import { sideByName } from '../reading/pod.js';
import { listAt, objectAt } from '../reading/shape.js';
import type { PodPlace, PodReading, RoleReading, Side } from '../reading/types.js';
import { annotationPath, annotationsOf, type Choice, chooseProfiles } from './choose-profiles.js';
import { portShift, usesHostNetwork } from './host-ports.js';
import { fillJson, fillText, type Values } from './placeholders.js';
import { readTerseSize, type TerseSize } from './terse-size.js';
import type { Addition, ExpandProblem, ExpandSettings } from './types.js';

/** What is known about one template of a role that gets arguments. */
export interface PlannedRole {
  readonly role: RoleReading;
  readonly side: Side;
  readonly place: PodPlace;
  readonly choice: Omit<Choice, 'accelerator'>;
  readonly size: TerseSize;
  readonly model: string;
  /** The user's own container that lacks only its arguments; undefined when there is no container at all. */
  readonly bare: boolean;
}

/** What one template of a role of the terse form becomes, still as data. */
export interface TerseRole extends PlannedRole {
  readonly choice: Choice;
}

export interface TersePlan {
  /** Positions of the roles that are written in the terse form, also where problems keep them from being made. */
  readonly indexes: ReadonlySet<number>;
  readonly roles: readonly TerseRole[];
  readonly problems: readonly ExpandProblem[];
}

/** Which roles are written in the terse form, and what they say. A role with any other container stays as it is. */
export function planTerse(
  serving: ModelServing,
  roles: readonly RoleReading[],
  profiles: Profiles,
  settings: ExpandSettings,
): TersePlan {
  const terse = roles.filter((role) => isEmpty(role) || isBare(role));
  const model = annotationsOf(serving)[tandemKeys.model.key];
  if (terse.length === 0 || (model === undefined && !terse.some(isEmpty))) return nothingTerse;
  const indexes = new Set(terse.map(({ index }) => index));
  const wrong = modelProblem(model);
  if (wrong || model === undefined) return { indexes, roles: [], problems: wrong ? [wrong] : [] };
  const choice = chooseProfiles(serving, profiles);
  if ('want' in choice) return { indexes, roles: [], problems: [choice] };
  const problems: ExpandProblem[] = terse.some(isEmpty) ? [...imageProblems(choice, settings)] : [];
  const planned = terse.flatMap((role): TerseRole[] => {
    const read = readTerseSize(serving, role.template, `${role.path}.entryTemplate`, choice.engine);
    const made = { role, side: sideByName(role.name), choice, size: read.size, model };
    const entry: TerseRole = { ...made, place: 'entry', bare: isBare(role) };
    problems.push(...read.problems, ...shareProblems(entry));
    const worker = role.workerReplicas > 0 && (hasNothing(role.workerTemplate) || isBarePod(role.worker));
    return worker ? [entry, { ...made, place: 'worker', bare: isBarePod(role.worker) }] : [entry];
  });
  return { indexes, roles: problems.length > 0 ? [] : planned, problems };
}

const nothingTerse: TersePlan = { indexes: new Set(), roles: [], problems: [] };

const hasNothing = (template: unknown): boolean => listAt(objectAt(template, 'spec'), 'containers').length === 0;
const isEmpty = ({ template }: RoleReading): boolean => hasNothing(template);

const isBarePod = (pod: PodReading | undefined): boolean =>
  pod !== undefined && listAt(pod.container, 'command').length === 0 && listAt(pod.container, 'args').length === 0;
const isBare = ({ pod }: RoleReading): boolean => isBarePod(pod);

/** Every pod of an instance holds the same number of ranks, and whole replicas where there are several. */
function shareProblems(terse: TerseRole): readonly ExpandProblem[] {
  const { role, size } = terse;
  const pods = podsOf(terse);
  const shared = size.dataParallel > 1 ? size.dataParallel : ranksOf(terse);
  if (pods === 1 || shared % pods === 0) return [];
  const what = size.dataParallel > 1 ? 'data-parallel ranks' : 'ranks (tensor × pipeline parallel)';
  const fix = `change workerReplicas, or a size so that ${pods} pods (the entry and ${role.workerReplicas} workers) share it evenly`;
  return [
    {
      path: `${role.path}.workerReplicas`,
      saw: role.workerReplicas,
      want: `a number of pods that divides ${shared} ${what}`,
      fix,
    },
  ];
}

/** A connector that the engine's image lacks needs another image, and one that is not known is not made up. */
function imageProblems({ connector, accelerator, engine }: Choice, settings: ExpandSettings): readonly ExpandProblem[] {
  if (!connector?.images || settings.images[engine.name] !== undefined) return [];
  if (Object.hasOwn(connector.images, accelerator.name)) return [];
  const known = Object.keys(connector.images).join(', ');
  return [
    {
      path: annotationPath(tandemKeys.connector.key),
      saw: connector.name,
      want: `a connector with a known image for ${accelerator.name}; it has one for ${known}`,
      fix: `give each role a container with name and image only, of ${engine.name} with ${connector.name}: the rest is filled in`,
    },
  ];
}

const podsOf = ({ role }: PlannedRole): number => role.workerReplicas + 1;

/** Devices that all pods of an instance need together. With attention inside the tensor-parallel world the ranks share it. */
function ranksOf({ size, choice, role }: TerseRole): number {
  const { flags } = choice.engine;
  const world = size.tensorParallel * size.pipelineParallel;
  const given = flags.dataParallelInside !== undefined && size.flags.args.has(flags.dataParallelInside);
  const inside = given || (flags.dataParallelInside !== undefined && role.workerReplicas > 0);
  return inside ? world : world * size.dataParallel;
}

function modelProblem(model: string | undefined): ExpandProblem | undefined {
  const path = annotationPath(tandemKeys.model.key);
  if (model === undefined) {
    return {
      path,
      saw: undefined,
      want: 'a model for the roles without containers',
      fix: 'add the annotation, e.g. Qwen/Qwen3-0.6B, or write the containers',
    };
  }
  if (/^[\w.:@/-]+$/.test(model) && !model.split('/').includes('..')) return undefined;
  return {
    path,
    saw: model,
    want: 'a model id, a source such as hf://ORG/NAME, or an absolute path',
    fix: 'remove other characters and ".."',
  };
}

/** Devices that a pod of the role asks for: as counted by the user, else the next allowed number that holds its ranks. */
export function deviceCount(terse: TerseRole): number {
  const { size, choice } = terse;
  const ranks = ranksOf(terse) / podsOf(terse);
  return size.devices ?? choice.accelerator.allowedCounts?.find((count) => count >= ranks) ?? ranks;
}

/** The arguments of the engine container, in groups of flag and value. */
export function terseArguments(terse: TerseRole, all: readonly PlannedRole[]): readonly Addition[] {
  const { choice, size } = terse;
  const values = valuesOf(terse, all);
  const list = [...containerPlace(terse), 'args'];
  const made = [
    ...choice.engine.terse.args
      .filter((wish) => isMeant(wish, terse, all))
      .flatMap((wish) => group(wish, values, terse) ?? [])
      .map((words) => ({ by: choice.engine.name, ...words })),
    ...connectorWords(terse, all),
    ...groups(size.words).map((value) => ({
      by: 'tandem',
      value,
      because: `asked for by ${tandemKeys.engineArgs.key}`,
      source: undefined,
    })),
  ];
  return made.map((words) => ({ kind: 'words', list, ...words }));
}

/** What the connector itself wants on the command line, e.g. SGLang's side of the pair. */
function connectorWords(terse: PlannedRole, all: readonly PlannedRole[]): readonly Words[] {
  const { connector } = terse.choice;
  if (connector === undefined || terse.side === 'aggregated') return [];
  const values = valuesOf(terse, all);
  return (connector.args ?? [])
    .filter((wish) => isMeant(wish, terse, all))
    .flatMap((wish) => group(wish, values, terse) ?? [])
    .map((words) => ({ by: connector.name, ...words }));
}

/** The connector alone, for a container whose other arguments the user wrote. */
export function connectorArguments(terse: PlannedRole, all: readonly PlannedRole[]): readonly Addition[] {
  const { engine } = terse.choice;
  const values = valuesOf(terse, all);
  const config = engine.terse.args
    .filter(({ flag }) => flag !== undefined && flag === engine.flags.kvTransferConfig)
    .flatMap((wish) => group(wish, values, terse) ?? [])
    .map((words) => ({ by: terse.choice.connector?.name ?? engine.name, ...words }));
  const list = [...containerPlace(terse), 'args'];
  return [...config, ...connectorWords(terse, all)].map((words) => ({ kind: 'words', list, ...words }));
}

interface Words {
  readonly by: string;
  readonly value: readonly string[];
  readonly because: string;
  readonly source: string | undefined;
}

export const containerPlace = ({ role, place, choice, bare }: PlannedRole) => {
  const own = place === 'entry' ? role.pod : role.worker;
  return [
    'spec',
    'containers',
    { key: 'name', is: bare ? (own?.container.name ?? '') : choice.engine.terse.container },
  ] as const;
};

/** Whether a wished argument is for this pod of the role: every condition that is given must hold. */
function isMeant({ when = {} }: TerseArgument, terse: PlannedRole, all: readonly PlannedRole[]): boolean {
  const oneOrSeveral = (count: number) => (count > 1 ? 'several' : 'one');
  const actual: Readonly<Record<keyof typeof when, string>> = {
    side: terse.side,
    place: terse.place,
    pods: oneOrSeveral(podsOf(terse)),
    podsAnywhere: oneOrSeveral(Math.max(...all.map(podsOf))),
    dataParallel: oneOrSeveral(terse.size.dataParallel),
  };
  return Object.entries(when).every(([key, wanted]) => actual[key as keyof typeof when] === wanted);
}

function group(wish: TerseArgument, values: Values, terse: PlannedRole) {
  const { flags } = terse.size;
  const isPort = wish.flag !== undefined && wish.flag === terse.choice.engine.flags.dataParallelPort;
  const filled = wish.value === undefined ? undefined : fillText(wish.value, values);
  const value = isPort ? String(Number(filled) + shiftOf(terse)) : filled;
  if (isComputed(value)) return undefined;
  const taken = wish.flag === undefined ? flags.positional.length > 0 : flags.args.has(wish.flag);
  if (taken || (value === wish.unless && value !== undefined)) return undefined;
  const words = [wish.flag === undefined ? undefined : `--${wish.flag}`, value].filter((word) => word !== undefined);
  return [{ value: words, because: wish.because, source: wish.source }];
}

/** The user's words, each flag together with what follows it. */
function groups(words: readonly string[]): string[][] {
  const all: string[][] = [];
  for (const word of words) {
    const last = all.at(-1);
    if (last && !/^--?[A-Za-z]/.test(word)) last.push(word);
    else all.push([word]);
  }
  return all;
}

/** What the placeholders of profiles stand for in this role. */
export function valuesOf(terse: PlannedRole, all: readonly PlannedRole[]): Values {
  const { choice, size, side, model } = terse;
  const modelId = withoutSlash(model.replace(/^\w+:\/\//, ''));
  const of = (wanted: Side) =>
    all.find((other) => other.side === wanted)?.size ?? { tensorParallel: 1, pipelineParallel: 1, dataParallel: 1 };
  const base: Values = {
    model,
    modelId,
    modelName: modelId.slice(modelId.lastIndexOf('/') + 1),
    servedName: modelId,
    port: portOf(terse),
    side,
    tensorParallel: size.tensorParallel,
    dataParallel: size.dataParallel,
    pods: podsOf(terse),
    dataParallelLocal: Math.ceil(size.dataParallel / podsOf(terse)),
    startRank: startRank(terse),
    'prefill.tensorParallel': of('prefill').tensorParallel,
    'prefill.pipelineParallel': of('prefill').pipelineParallel,
    'prefill.dataParallel': of('prefill').dataParallel,
    'decode.tensorParallel': of('decode').tensorParallel,
    'decode.pipelineParallel': of('decode').pipelineParallel,
    'decode.dataParallel': of('decode').dataParallel,
  };
  const modelPath = isLocal(model) ? modelId : fillText(choice.engine.terse.modelPath, base);
  return { ...base, modelPath, kvTransferConfig: kvTransferConfig(terse, base) };
}

/**
 * First data-parallel rank of a worker pod. Kubernetes puts `WORKER_INDEX` in but cannot multiply, so with several ranks
 * in each of several workers the container's own shell does.
 */
function startRank({ role, size }: PlannedRole): string {
  const local = Math.ceil(size.dataParallel / (role.workerReplicas + 1));
  if (local === 1) return `$(${env.workerIndex})`;
  return role.workerReplicas === 1 ? String(local) : `$((${env.workerIndex} * ${local}))`;
}

export const isLocal = (model: string): boolean => model.startsWith('/');

function portOf({ size, choice }: PlannedRole): number {
  return Number(size.flags.args.get('port')) || choice.engine.port;
}

function kvTransferConfig(terse: PlannedRole, values: Values): string {
  const { side, choice } = terse;
  const { connector } = choice;
  if (side === 'aggregated' || connector?.config === undefined) return '';
  const config = fillJson(connector.config[side], values) as Record<string, unknown>;
  const id = connector.engineId === 'pod' ? { engine_id: '$(POD_NAME)' } : {};
  return JSON.stringify({ ...config, ...movedPorts(terse, config), ...id });
}

/** Members of the configuration that hold a port of the role's own block under `hostNetwork`. */
function movedPorts(terse: PlannedRole, config: Record<string, unknown>): Record<string, unknown> {
  const names = (terse.choice.connector?.ports ?? []).flatMap(({ movable, fromConfig }) =>
    movable && fromConfig !== undefined ? [fromConfig] : [],
  );
  return Object.fromEntries(names.map((name) => [name, String(Number(config[name]) + shiftOf(terse))]));
}

const shiftOf = ({ role, place }: PlannedRole): number =>
  portShift(usesHostNetwork((place === 'entry' ? role.template : role.workerTemplate)?.spec), role.index);

/**
 * Image and command of the engine container: the installation's image, else the connector's where the engine's lacks it,
 * else the accelerator's, else the engine's own.
 */
export function programOf(
  terse: TerseRole,
  all: readonly PlannedRole[],
  settings: ExpandSettings,
): { image: string; command: readonly string[] | undefined } {
  const { engine } = terse.choice;
  const several = all.some((other) => podsOf(other) > 1) ? engine.terse.severalPods : undefined;
  const known = [settings.images[engine.name], ...specialImages(terse.choice), several?.image];
  const image = known.find((name) => name !== undefined) ?? engine.terse.image;
  if (!several && startsItself(engine, image)) return { image, command: undefined };
  return { image, command: throughShell(terse, all, (several ?? engine.terse).command) };
}

const specialImages = ({ engine, accelerator, connector }: Choice) => [
  connector?.images?.[accelerator.name],
  accelerator.images?.[engine.name],
];
const startsItself = ({ terse }: EngineProfile, image: string): boolean =>
  terse.startsItself === true && repositoryOf(image) === repositoryOf(terse.image);

/** The last part of an image's name without its tag: a mirror keeps it. */
const repositoryOf = (image: string): string => /([^/:@]+)(?:[:@][^/]*)?$/.exec(image)?.[1] ?? image;

/** Arguments that only a shell can compute stand in a short script, so that the others stay a list. */
function throughShell(
  terse: TerseRole,
  all: readonly PlannedRole[],
  command: readonly string[] | undefined,
): readonly string[] | undefined {
  const rank = startRank(terse);
  const wish = terse.choice.engine.terse.args.find(({ value }) => value === '{startRank}');
  if (!command || !wish || !isMeant(wish, terse, all) || !isComputed(rank)) return command;
  return ['sh', '-c', `exec "$0" "$@" --${wish.flag} ${rank}`, ...command];
}

const isComputed = (value: string | undefined): boolean => value?.startsWith('$((') ?? false;
