import { spoken } from '../../../router/dialects/spoken.js';
import type { ModelRoute, ModelServer, ModelServing } from '../../api/types.js';
import { type ConfigMaps, withConfigMaps } from '../../core/checks/config-maps.js';
import type { CheckContext } from '../../core/checks/context.js';
import type { Finding } from '../../core/checks/finding.js';
import { type Expansion, reviewModelRoute, reviewModelServer, reviewServing } from '../../core/checks/review.js';
import { checkShape } from '../../core/checks/shape.js';
import { readAsRun } from '../../core/expand/serving.js';
import { defaultExpandSettings } from '../../core/expand/types.js';
import { objectAt } from '../../core/reading/shape.js';
import { loadProfiles } from '../../settings/profiles.js';
import { exitCodeOf, findingsAsJson, findingsAsText, type ObjectFindings } from '../check-report.js';
import { findingsAsSarif } from '../check-sarif.js';
import { expandSettingsOf } from '../expand-settings.js';
import { type Manifest, readManifests } from '../manifests.js';

export interface Options {
  readonly filename: readonly string[];
  readonly profiles?: string;
  readonly runtimeMounts: boolean;
  readonly options?: string;
  readonly output?: keyof typeof machines;
}

const machines = { json: findingsAsJson, sarif: findingsAsSarif };

export async function run(options: Options): Promise<number> {
  const manifests = readManifests(options.filename);
  const profiles = await loadProfiles(options.profiles);
  const checked = checkAll(manifests, {
    profiles,
    settings: { ...defaultExpandSettings, ...expandSettingsOf(options, profiles) },
  });
  const report = options.output ? machines[options.output] : findingsAsText;
  process.stdout.write(report(checked));
  return exitCodeOf(checked);
}

/** Findings of each object in the light of the others of the same files. */
export function checkAll(manifests: readonly Manifest[], expansion: Expansion): readonly ObjectFindings[] {
  const whole = manifests.map(({ object }) => ({
    ...object,
    metadata: { namespace: 'default', ...object.metadata },
  }));
  const maps = configMapsOf(whole);
  const objects = whole.map((object) => told(object, maps, expansion));
  // An object of the wrong shape is reported itself; nothing is concluded from it for the others.
  const of = <T>(kind: string) =>
    objects.filter(
      (object) => object.kind === kind && checkShape(object.kind, object, false).length === 0,
    ) as unknown as readonly T[];
  const { profiles, settings } = expansion;
  const context: CheckContext = {
    objects: 'complete',
    fallbackScheduler: 'default-scheduler',
    hasAscendRuntime: settings.runtimeMounts !== false,
    dialects: [...spoken.keys()],
    modelServings: of<ModelServing>('ModelServing').map((serving) => readAsRun(serving, profiles, settings)),
    modelServers: of<ModelServer>('ModelServer'),
    modelRoutes: of<ModelRoute>('ModelRoute'),
  };
  return objects.flatMap((object, i) => {
    const findings = findingsOf(object, expansion, context);
    const { file = '', lineOf } = manifests[i] ?? {};
    return findings === undefined
      ? []
      : [{ file, kind: object.kind, name: object.metadata.name ?? '', findings, ...(lineOf && { lineOf }) }];
  });
}

type KnownObject = Manifest['object'];

/** Texts of the ConfigMaps of the files, by namespace. */
function configMapsOf(objects: readonly KnownObject[]): ReadonlyMap<string, ConfigMaps> {
  const all = new Map<string, Map<string, Readonly<Record<string, string>>>>();
  for (const { kind, metadata, ...rest } of objects) {
    if (kind !== 'ConfigMap') continue;
    const { namespace = '', name = '' } = metadata;
    const known = all.get(namespace) ?? new Map<string, Readonly<Record<string, string>>>();
    all.set(namespace, known.set(name, (objectAt(rest, 'data') ?? {}) as Readonly<Record<string, string>>));
  }
  return all;
}

/** A ModelServing with what ConfigMaps of the same files tell its engines. */
function told(object: KnownObject, maps: ReadonlyMap<string, ConfigMaps>, { profiles }: Expansion): KnownObject {
  const near = maps.get(object.metadata.namespace ?? '');
  if (near === undefined || object.kind !== 'ModelServing') return object;
  return withConfigMaps(object as unknown as ModelServing, near, profiles) as unknown as KnownObject;
}

function findingsOf(
  object: Manifest['object'],
  expansion: Expansion,
  context: CheckContext,
): readonly Finding[] | undefined {
  switch (object.kind) {
    case 'ModelServing':
      return reviewServing(object as unknown as ModelServing, expansion, context);
    case 'ModelServer':
      return reviewModelServer(object as unknown as ModelServer, context);
    case 'ModelRoute':
      return reviewModelRoute(object as unknown as ModelRoute, context);
    default:
      return undefined;
  }
}
