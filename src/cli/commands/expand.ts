import { expandServing } from '../../core/expand/serving.js';
import { defaultExpandSettings } from '../../core/expand/types.js';
import { loadProfiles } from '../../settings/profiles.js';
import { describeExpandProblem, type Expanded, expandReport } from '../expand-report.js';
import { expandSettingsOf } from '../expand-settings.js';
import { readManifests } from '../manifests.js';
import { asServing } from '../servings.js';

export interface Options {
  readonly filename: readonly string[];
  readonly explain?: boolean;
  readonly profiles?: string;
  readonly runtimeMounts: boolean;
  readonly options?: string;
  readonly output?: 'json';
}

/** Prints every object of the files; ModelServings expanded, others as they are. Exit 1 when one could not be expanded as asked. */
export async function run(options: Options): Promise<number> {
  const manifests = readManifests(options.filename);
  const profiles = await loadProfiles(options.profiles);
  const settings = { ...defaultExpandSettings, ...expandSettingsOf(options, profiles) };
  const expanded = manifests.map(
    (manifest): Expanded =>
      manifest.object.kind === 'ModelServing'
        ? expandServing(asServing(manifest), profiles, settings)
        : { object: manifest.object, reasons: [] },
  );
  const { explain = false } = options;
  process.stdout.write(options.output === 'json' ? asJson(expanded, explain) : asYaml(expanded, explain));
  const problems = expanded.flatMap((one) => one.problems ?? []);
  for (const problem of problems) process.stderr.write(`${describeExpandProblem(problem)}\n`);
  return problems.length === 0 ? 0 : 1;
}

const asYaml = (expanded: readonly Expanded[], explain: boolean): string =>
  expanded.map((one) => expandReport(one, { explain })).join('---\n');

function asJson(expanded: readonly Expanded[], explain: boolean): string {
  const items = expanded.map(({ object, reasons }) => (explain ? { object, reasons } : object));
  return `${JSON.stringify(items.length === 1 ? items[0] : items, null, 2)}\n`;
}
