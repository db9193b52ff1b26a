import { tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { Profiles, TerseArgument } from '../profiles/types.js';
import { sideByName } from '../reading/pod.js';
import { listAt, objectAt } from '../reading/shape.js';
import type { RoleReading, Side } from '../reading/types.js';
import { annotationPath, annotationsOf, type Choice, chooseProfiles } from './choose-profiles.js';
import { fillJson, fillText, type Values } from './placeholders.js';
import { readTerseSize, type TerseSize } from './terse-size.js';
import type { Addition, ExpandProblem, ExpandSettings } from './types.js';

/** What one role of the terse form becomes, still as data. */
export interface TerseRole {
  readonly role: RoleReading;
  readonly side: Side;
  readonly choice: Choice;
  readonly size: TerseSize;
  readonly model: string;
  /** The user's own container that lacks only its arguments; undefined when there is no container at all. */
  readonly bare: boolean;
}

export interface TersePlan {
  readonly roles: readonly TerseRole[];
  readonly problems: readonly ExpandProblem[];
}

/** Which roles are written in the terse form, and what they say. A role with any other container stays as it is. */
export function planTerse(serving: ModelServing, roles: readonly RoleReading[], profiles: Profiles): TersePlan {
  const terse = roles.filter((role) => isEmpty(role) || isBare(role));
  const model = annotationsOf(serving)[tandemKeys.model.key];
  if (terse.length === 0 || (model === undefined && !terse.some(isEmpty))) return { roles: [], problems: [] };
  const wrong = modelProblem(model);
  if (wrong || model === undefined) return { roles: [], problems: wrong ? [wrong] : [] };
  const choice = chooseProfiles(serving, profiles);
  if ('want' in choice) return { roles: [], problems: [choice] };
  const problems: ExpandProblem[] = [];
  const planned = terse.map((role): TerseRole => {
    const read = readTerseSize(serving, role.template, `${role.path}.entryTemplate`, choice.engine);
    problems.push(...read.problems, ...workerProblems(role));
    return { role, side: sideByName(role.name), choice, size: read.size, model, bare: isBare(role) };
  });
  return { roles: problems.length > 0 ? [] : planned, problems };
}

const isEmpty = ({ template }: RoleReading): boolean => listAt(objectAt(template, 'spec'), 'containers').length === 0;

const isBare = ({ pod }: RoleReading): boolean =>
  pod !== undefined && listAt(pod.container, 'command').length === 0 && listAt(pod.container, 'args').length === 0;

function workerProblems({ workerReplicas, path }: RoleReading): readonly ExpandProblem[] {
  if (workerReplicas === 0) return [];
  const fix = 'write the containers of entry and worker pods, or use one pod with more devices';
  return [{ path: `${path}.workerReplicas`, saw: workerReplicas, want: '0 in a role of the terse form', fix }];
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
export function deviceCount({ size, choice }: TerseRole): number {
  const ranks = size.tensorParallel * size.dataParallel;
  return size.devices ?? choice.accelerator.allowedCounts?.find((count) => count >= ranks) ?? ranks;
}

/** The arguments of the engine container, in groups of flag and value. */
export function terseArguments(terse: TerseRole, all: readonly TerseRole[]): readonly Addition[] {
  const { choice, size, side } = terse;
  const values = valuesOf(terse, all);
  const connectorArgs = side === 'aggregated' ? [] : (choice.connector?.args ?? []);
  const list = [...containerPlace(terse), 'args'];
  const made = [
    ...choice.engine.terse.args
      .flatMap((wish) => group(wish, values, size) ?? [])
      .map((words) => ({ by: choice.engine.name, ...words })),
    ...connectorArgs
      .flatMap((wish) => group(wish, values, size) ?? [])
      .map((words) => ({ by: choice.connector?.name ?? '', ...words })),
    ...groups(size.words).map((value) => ({
      by: 'tandem',
      value,
      because: `asked for by ${tandemKeys.engineArgs.key}`,
      source: undefined,
    })),
  ];
  return made.map((words) => ({ kind: 'words', list, ...words }));
}

export const containerPlace = ({ role, choice, bare }: TerseRole) =>
  [
    'spec',
    'containers',
    { key: 'name', is: bare ? (role.pod?.container.name ?? '') : choice.engine.terse.container },
  ] as const;

function group(wish: TerseArgument, values: Values, { flags }: TerseSize) {
  const value = wish.value === undefined ? undefined : fillText(wish.value, values);
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
export function valuesOf(terse: TerseRole, all: readonly TerseRole[]): Values {
  const { choice, size, side, model } = terse;
  const modelId = model.replace(/^\w+:\/\//, '').replace(/\/+$/, '');
  const of = (wanted: Side) =>
    all.find((other) => other.side === wanted)?.size ?? { tensorParallel: 1, dataParallel: 1 };
  const base: Values = {
    model,
    modelId,
    modelName: modelId.slice(modelId.lastIndexOf('/') + 1),
    servedName: modelId,
    port: portOf(terse),
    side,
    tensorParallel: size.tensorParallel,
    dataParallel: size.dataParallel,
    'prefill.tensorParallel': of('prefill').tensorParallel,
    'prefill.dataParallel': of('prefill').dataParallel,
    'decode.tensorParallel': of('decode').tensorParallel,
    'decode.dataParallel': of('decode').dataParallel,
  };
  const modelPath = isLocal(model) ? modelId : fillText(choice.engine.terse.modelPath, base);
  return { ...base, modelPath, kvTransferConfig: kvTransferConfig(terse, base) };
}

export const isLocal = (model: string): boolean => model.startsWith('/');

function portOf({ size, choice }: TerseRole): number {
  return Number(size.flags.args.get('port')) || choice.engine.port;
}

function kvTransferConfig({ side, choice }: TerseRole, values: Values): string {
  const { connector } = choice;
  if (side === 'aggregated' || connector?.config === undefined) return '';
  const config = fillJson(connector.config[side], values) as Record<string, unknown>;
  return JSON.stringify(connector.engineId === 'pod' ? { ...config, engine_id: '$(POD_NAME)' } : config);
}

/** Image of the engine: the installation's, else the profile's. */
export const imageOf = ({ engine }: Choice, settings: ExpandSettings): string =>
  settings.images[engine.name] ?? engine.terse.image;
