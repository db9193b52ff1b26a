import { tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { Profiles } from '../profiles/types.js';
import { textAt } from '../reading/shape.js';
import { annotationPath, annotationsOf } from './choose-profiles.js';
import { optionProblem, readOptions } from './options.js';
import type { Asked, ExpandProblem } from './types.js';

const card = /^([a-z0-9][-a-z0-9.]*\/[A-Za-z0-9][-\w.]*)(?:=([1-9]\d?))?$/;

/** What the annotations of a serving ask for beside profiles; what cannot be read is not asked for. */
export function askedOf(serving: ModelServing): Asked {
  const said = annotationsOf(serving);
  const store = said[tandemKeys.store.key]?.trim();
  const [, resource, count = '1'] = card.exec(said[tandemKeys.network.key] ?? '') ?? [];
  const options = readOptions(said[tandemKeys.options.key]);
  const scheduler = textAt(serving.spec, 'schedulerName');
  return {
    ...(store && { store }),
    ...(resource !== undefined && { network: { resource, count: Number(count) } }),
    ...(options && { options }),
    ...(scheduler !== undefined && { scheduler }),
  };
}

export const askedProblems = (serving: ModelServing, profiles: Profiles): readonly ExpandProblem[] => [
  ...networkProblems(serving),
  ...optionProblems(serving, profiles),
];

function optionProblems(serving: ModelServing, profiles: Profiles): readonly ExpandProblem[] {
  const { key } = tandemKeys.options;
  const saw = annotationsOf(serving)[key];
  const wrong = saw === undefined ? undefined : optionProblem(saw, profiles);
  return wrong === undefined ? [] : [{ path: annotationPath(key), saw, ...wrong }];
}

function networkProblems(serving: ModelServing): readonly ExpandProblem[] {
  const { key } = tandemKeys.network;
  const saw = annotationsOf(serving)[key];
  if (saw === undefined || card.test(saw)) return [];
  return [
    {
      path: annotationPath(key),
      saw,
      want: 'RESOURCE or RESOURCE=COUNT, a resource that the nodes offer',
      fix: 'write it like "rdma/ib" or "rdma/ib=2"',
    },
  ];
}
