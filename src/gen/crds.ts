/** Writes `config/crd/*.yaml` from `src/api/crd.ts`. With `--check` it writes nothing and fails when a file is not current. */
import { stringify } from 'yaml';
import { customResourceDefinitions } from '../api/crd.js';
import { emit } from './emit.js';

const header = '# Generated from src/api/schema.ts by `make gen`. Do not edit.\n';

const names = customResourceDefinitions.map((crd) => {
  const name = (crd['metadata'] as { name: string }).name;
  emit(`config/crd/${name}.yaml`, header + stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false }));
  return name;
});
emit('config/crd/kustomization.yaml', `${header}resources:\n${names.map((name) => `  - ${name}.yaml\n`).join('')}`);
