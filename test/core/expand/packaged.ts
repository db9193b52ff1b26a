/** Expansion with the packaged profiles and an installation without settings of its own, and where to look at what came out. */
import type { Container, PodSpec } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { type ExpandedServing, expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles } from './samples.js';

export const profiles = packagedProfiles();
export const expand = (serving: ModelServing): ExpandedServing => expandServing(serving, profiles, settings);
export const entry = (serving: ModelServing, role: string): PodSpec =>
  serving.spec.template.roles.find(({ name }) => name === role)?.entryTemplate.spec as PodSpec;
export const engineOf = (serving: ModelServing, role: string): Container => {
  const found = readServing(serving, profiles).roles.find(({ name }) => name === role)?.pod;
  if (!found) throw new Error(`no engine in ${role}`);
  return found.container;
};
