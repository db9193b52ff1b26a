/** One request for a resource, as the write path and admission see it. */
import { notSupported } from './field-error.js';
import type { Dict, Obj } from './object.js';
import type { ResourceType } from './resource-type.js';
import { badRequest, invalidObject } from './status.js';

export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
}

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface Call {
  readonly type: ResourceType;
  readonly namespace?: string;
  /** Absent for requests to a collection. */
  readonly name?: string;
  readonly subresource?: string;
  readonly dryRun: boolean;
  readonly fieldManager: string;
  /** Whether the request itself named its field manager. */
  readonly namesManager: boolean;
  readonly fieldValidation: FieldValidation;
  readonly user: UserInfo;
  /** Sends a `Warning:` header. */
  readonly warn: (text: string) => void;
}

const managerLimit = 128;

/** Reads what the query of a write says. `userAgent` names the manager when the query does not. */
export function writeOptions(
  query: URLSearchParams,
  userAgent: string,
): Pick<Call, 'dryRun' | 'fieldManager' | 'namesManager' | 'fieldValidation'> {
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  if (dryRun.some((value) => value !== 'All')) throw badOption('dryRun', dryRun[0], ['All']);
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (!['Strict', 'Warn', 'Ignore'].includes(fieldValidation)) {
    throw badOption('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']);
  }
  const fieldManager = query.get('fieldManager') || managerOf(userAgent);
  if (fieldManager.length > managerLimit) throw badRequest('fieldManager: may not be more than 128 bytes');
  return {
    dryRun: dryRun.length > 0,
    fieldManager,
    namesManager: query.has('fieldManager'),
    fieldValidation: fieldValidation as FieldValidation,
  };
}

const badOption = (field: string, value: unknown, supported: readonly string[]) =>
  invalidObject({ group: 'meta.k8s.io', plural: 'patchoptions', kind: 'PatchOptions' }, '', [
    notSupported(field, value, supported),
  ]);

const managerOf = (userAgent: string): string => (userAgent.split('/')[0] || 'unknown').slice(0, managerLimit);

/** The system's own calls: garbage collection, namespace deletion. */
export function systemCall(
  type: ResourceType,
  object: Pick<Obj, 'metadata'>,
  controller: string,
  warn: (text: string) => void,
): Call & { readonly name: string } {
  const { namespace, name } = object.metadata;
  return {
    type,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    dryRun: false,
    fieldManager: 'kube-controller-manager',
    namesManager: false,
    fieldValidation: 'Ignore',
    user: {
      username: `system:serviceaccount:kube-system:${controller}`,
      groups: ['system:serviceaccounts', 'system:authenticated'],
    },
    warn,
  };
}

export type DeleteOptions = {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: string;
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly raw: Dict;
};
