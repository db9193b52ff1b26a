import { readdirSync, readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';
import type { ModelServing } from '../../../src/api/types.js';
import { describeProblem, parseProfiles } from '../../../src/core/profiles/parse.js';
import type { Profiles } from '../../../src/core/profiles/types.js';

/** The profiles of the package. */
export function packagedProfiles(): Profiles {
  const folder = 'config/profiles';
  const parsed = parseProfiles(
    readdirSync(folder).map((name) => ({ name, text: readFileSync(`${folder}/${name}`, 'utf8') })),
  );
  if (!parsed.ok) throw new Error(parsed.problems.map(describeProblem).join('\n'));
  return parsed.profiles;
}

/** The ModelServing of a sample: `gpu/modelserving`, `terse-npu`. */
export function sampleServing(name: string): ModelServing {
  const [first] = parseAllDocuments(readFileSync(`config/samples/${name}.yaml`, 'utf8')) as { toJS(): unknown }[];
  return first?.toJS() as ModelServing;
}

export const sampleNames = ['gpu/modelserving', 'npu/modelserving', 'terse-gpu', 'terse-npu'] as const;

/** A ModelServing from a fragment of YAML: its roles. */
export function servingOf(roles: string, annotations: Record<string, string> = {}): ModelServing {
  return {
    apiVersion: 'workload.serving.volcano.sh/v1alpha1',
    kind: 'ModelServing',
    metadata: { name: 's', namespace: 'n', annotations },
    spec: { template: { roles: parse(roles) as ModelServing['spec']['template']['roles'] } },
  };
}
