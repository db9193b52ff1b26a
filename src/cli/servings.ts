import type { ModelServing } from '../api/types.js';
import { checkShape } from '../core/checks/shape.js';
import { cliErrors } from './errors.js';
import { type Manifest, readManifests } from './manifests.js';

/** The ModelServings of the files. One whose shape no API server would store, or none at all, ends it with what is wrong. */
export function readServings(files: readonly string[]): readonly ModelServing[] {
  const found = readManifests(files).filter(({ object }) => object.kind === 'ModelServing');
  if (found.length === 0) throw cliErrors('nothing-to-read', { kind: 'ModelServing' });
  return found.map((manifest) => asServing(manifest));
}

/** The object of a manifest as a ModelServing, when it has the shape of one. */
export function asServing({ file, object }: Manifest): ModelServing {
  const wrong = checkShape('ModelServing', object, true);
  if (wrong.length > 0) {
    const places = wrong.map(({ path, saw, want }) => `${path}: saw ${JSON.stringify(saw) ?? 'nothing'}, want ${want}`);
    throw cliErrors('manifest-invalid', { file, name: object.metadata.name ?? '', places });
  }
  return object as unknown as ModelServing;
}
