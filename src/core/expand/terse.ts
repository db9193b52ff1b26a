import { env, tandemKeys } from '../../api/names.js';
import { isObject } from '../../base/json.js';
import { withoutSlash } from '../../base/path.js';
import type { EngineProfile, TerseArgument } from '../profiles/types.js';
import { objectAt, textAt, valueAt } from '../reading/shape.js';
import type { PodPlace, PodReading, RoleReading, Side } from '../reading/types.js';
import type { Choice } from './choose-profiles.js';
import { portShift, usesHostNetwork } from './host-ports.js';
import { fillJson, fillText, type Values } from './placeholders.js';
import type { TerseSize } from './terse-size.js';
import type { Addition, ExpandSettings, Options } from './types.js';

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
  /** What the serving chose of what its accelerator leaves open. */
  readonly options: Options | undefined;
}

export const podsPerInstance = ({ role }: PlannedRole): number => role.workerReplicas + 1;

/** Devices that all pods of an instance need together. With attention inside the tensor-parallel world the ranks share it. */
export function ranksOf({ size, choice, role }: TerseRole): number {
  const { flags } = choice.engine;
  const world = size.tensorParallel * size.pipelineParallel;
  const given = flags.dataParallelInside !== undefined && size.flags.args.has(flags.dataParallelInside);
  const inside = given || (flags.dataParallelInside !== undefined && role.workerReplicas > 0);
  return inside ? world : world * size.dataParallel;
}

/** The container of the user's own that lacks only its arguments; undefined where the terse form makes one. */
export const bareContainer = ({ bare, place, role }: PlannedRole): PodReading | undefined =>
  bare ? (place === 'entry' ? role.pod : role.worker) : undefined;

/**
 * Devices that a pod of the role asks for: as written in its container, or as counted by the user, else the next allowed
 * number that holds its ranks.
 */
export function deviceCount(terse: TerseRole): number {
  const { size, choice } = terse;
  const { resource, count } = bareContainer(terse)?.devices ?? {};
  if (resource !== undefined && count !== undefined) return count;
  const ranks = ranksOf(terse) / podsPerInstance(terse);
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
    ...groups(size.words).map(({ value, nth }) => ({
      by: 'tandem',
      value,
      nth,
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

export const containerPlace = (planned: PlannedRole) => {
  const own = bareContainer(planned);
  const name = planned.bare ? (own?.container.name ?? '') : planned.choice.engine.terse.container;
  return ['spec', 'containers', { key: 'name', is: name }] as const;
};

/** Whether a wished argument is for this pod of the role: every condition that is given must hold. */
function isMeant({ when = {} }: TerseArgument, terse: PlannedRole, all: readonly PlannedRole[]): boolean {
  const oneOrSeveral = (count: number) => (count > 1 ? 'several' : 'one');
  const actual: Readonly<Record<keyof typeof when, string>> = {
    side: terse.side,
    place: terse.place,
    pods: oneOrSeveral(podsPerInstance(terse)),
    podsAnywhere: oneOrSeveral(Math.max(...all.map(podsPerInstance))),
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

/** The user's words, each flag together with what follows it, and how many equal ones there are up to it. */
function groups(words: readonly string[]): readonly { readonly value: readonly string[]; readonly nth: number }[] {
  const all: string[][] = [];
  for (const word of words) {
    const last = all.at(-1);
    if (last && !/^--?[A-Za-z]/.test(word)) last.push(word);
    else all.push([word]);
  }
  const met = new Map<string, number>();
  return all.map((value) => {
    const key = JSON.stringify(value);
    met.set(key, (met.get(key) ?? 0) + 1);
    return { value, nth: met.get(key) ?? 1 };
  });
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
    pods: podsPerInstance(terse),
    dataParallelLocal: Math.ceil(size.dataParallel / podsPerInstance(terse)),
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
  movePorts(terse, config);
  const id = connector.engineId === 'pod' ? { engine_id: '$(POD_NAME)' } : {};
  return JSON.stringify({ ...config, ...id });
}

/** Ports in the configuration belong to the role's own block under `hostNetwork`; what it does not name is not moved. */
function movePorts(terse: PlannedRole, config: Record<string, unknown>): void {
  for (const { movable, fromConfig } of terse.choice.connector?.ports ?? []) {
    if (movable && fromConfig !== undefined) movePort(config, fromConfig, shiftOf(terse));
  }
}

function movePort(config: Record<string, unknown>, path: string, shift: number): void {
  const dot = path.lastIndexOf('.');
  const holder = dot < 0 ? config : valueAt(config, path.slice(0, dot));
  const written = valueAt(config, path);
  const port = Number(written) + shift;
  if (port > 0 && isObject(holder)) holder[path.slice(dot + 1)] = typeof written === 'number' ? port : String(port);
}

const shiftOf = ({ role, place }: PlannedRole): number =>
  portShift(usesHostNetwork((place === 'entry' ? role.template : role.workerTemplate)?.spec), role.index);

/**
 * Image and command of the engine container: the installation's image, else that of the kind of node, else the connector's
 * where the engine's lacks it, else the accelerator's, else the engine's own.
 */
export function programOf(
  terse: TerseRole,
  all: readonly PlannedRole[],
  settings: ExpandSettings,
): { image: string; command: readonly string[] | undefined } {
  const { engine } = terse.choice;
  const several = all.some((other) => podsPerInstance(other) > 1) ? engine.terse.severalPods : undefined;
  const known = [
    settings.images[engine.name],
    imageOfNode(terse, settings),
    ...specialImages(terse.choice),
    several?.image,
  ];
  const image = known.find((name) => name !== undefined) ?? engine.terse.image;
  if (!several && startsItself(engine, image)) return { image, command: undefined };
  return { image, command: throughShell(terse, all, (several ?? engine.terse).command) };
}

/** Image for the kind of node that the role selects, or that an option will make it select. */
function imageOfNode({ choice, role, options }: TerseRole, settings: ExpandSettings): string | undefined {
  const by = choice.accelerator.imagesBy;
  if (by === undefined) return undefined;
  const selected = textAt(objectAt(role.template.spec, 'nodeSelector'), by.label);
  const node = selected ?? options?.get(by.option) ?? settings.options?.get(by.option) ?? '';
  return Object.hasOwn(by.images, node) ? by.images[node]?.[choice.engine.name] : undefined;
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
