import type { ModelRoute, ModelServer, ModelServing } from '../../api/types.js';
import { checkModelRoute, checkModelServer, checkServing } from '../../core/checks/check.js';
import type { CheckContext } from '../../core/checks/context.js';
import type { Finding } from '../../core/checks/finding.js';
import { servingAsRun } from '../../core/expand/serving.js';
import { defaultExpandSettings } from '../../core/expand/types.js';
import type { Profiles } from '../../core/profiles/types.js';
import { readServing } from '../../core/reading/serving.js';
import { loadProfiles } from '../../settings/profiles.js';
import { exitCodeOf, findingsAsJson, findingsAsText, type ObjectFindings } from '../check-report.js';
import { type Manifest, readManifests } from '../manifests.js';

export interface Options {
  readonly filename: readonly string[];
  readonly profiles?: string;
  readonly output?: 'json';
}

export async function run(options: Options): Promise<number> {
  const manifests = readManifests(options.filename);
  const checked = checkAll(manifests, await loadProfiles(options.profiles));
  process.stdout.write(options.output === 'json' ? findingsAsJson(checked) : findingsAsText(checked));
  return exitCodeOf(checked);
}

/** Findings of each object in the light of the others of the same files. */
export function checkAll(manifests: readonly Manifest[], profiles: Profiles): readonly ObjectFindings[] {
  const objects = manifests.map(({ object }) => ({
    ...object,
    metadata: { namespace: 'default', ...object.metadata },
  }));
  const of = <T>(kind: string) => objects.filter((object) => object.kind === kind) as unknown as readonly T[];
  const readings = of<ModelServing>('ModelServing').map((serving) =>
    readServing(servingAsRun(serving, profiles, defaultExpandSettings), profiles),
  );
  const context: CheckContext = {
    objects: 'complete',
    fallbackScheduler: 'default-scheduler',
    modelServings: readings,
    modelServers: of<ModelServer>('ModelServer'),
    modelRoutes: of<ModelRoute>('ModelRoute'),
  };
  let serving = 0;
  return objects.flatMap((object, i) => {
    const findings = findingsOf(object, () => readings[serving++], context);
    return findings === undefined
      ? []
      : [{ file: manifests[i]?.file ?? '', kind: object.kind, name: object.metadata.name ?? '', findings }];
  });
}

function findingsOf(
  object: Manifest['object'],
  nextReading: () => ReturnType<typeof readServing> | undefined,
  context: CheckContext,
): readonly Finding[] | undefined {
  switch (object.kind) {
    case 'ModelServing': {
      const reading = nextReading();
      return reading && checkServing(reading, context);
    }
    case 'ModelServer':
      return checkModelServer(object as unknown as ModelServer, context);
    case 'ModelRoute':
      return checkModelRoute(object as unknown as ModelRoute, context);
    default:
      return undefined;
  }
}
