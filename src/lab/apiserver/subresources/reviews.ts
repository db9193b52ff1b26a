/** Questions about oneself: whoever holds the lab's token may do everything, and hears so. */
import type { UserInfo } from '../call.js';
import { type Dict, dictOf } from '../object.js';
import { groupVersionOf, type ResourceType } from '../resource-type.js';

export function answerReview(type: ResourceType, user: UserInfo, body: unknown): Dict {
  const { kind } = type;
  const base = { kind, apiVersion: groupVersionOf(type), metadata: { creationTimestamp: null } };
  const spec = dictOf(dictOf(body)['spec']);
  switch (kind) {
    case 'SelfSubjectReview':
      return { ...base, status: { userInfo: user } };
    case 'SelfSubjectRulesReview':
      return {
        ...base,
        spec,
        status: {
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
          incomplete: false,
        },
      };
    default:
      return { ...base, spec, status: { allowed: true, reason: 'the lab has no authorization' } };
  }
}
