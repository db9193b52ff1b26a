import type { KubeObject } from '../src/api/kube.js';
import { isObject } from '../src/base/json.js';
import { type Decision, pass, refuse } from './decision.js';
import type { ReviewRequest } from './review.js';

export interface UnderReview<T> {
  readonly object: T;
  readonly namespace: string;
  /** What is stored now, on an update. */
  readonly old?: T;
  /** Set when there is nothing to judge: the answer, at once. */
  readonly skip?: Decision;
}

/**
 * The object of a review as an object with metadata and spec. The API server validates our kinds against their CRD only
 * after mutation, so a mutating webhook may see anything; what is no object at all is refused with a sentence.
 */
export function objectUnder<T extends KubeObject>(request: ReviewRequest): UnderReview<T> {
  const { object, namespace = 'default' } = request;
  const metadata = isObject(object?.['metadata']) ? object['metadata'] : {};
  if (!object || !isObject(object['spec'])) {
    const message = `${request.kind.kind || 'the object'} has no spec; write one as in config/samples`;
    return { object: {} as T, namespace, skip: refuse(422, 'Invalid', message) };
  }
  const named = { ...object, metadata: { namespace, ...metadata } } as unknown as T;
  if (metadata['deletionTimestamp'] !== undefined) return { object: named, namespace, skip: pass('being deleted') };
  const old = storedBefore<T>(request);
  return { object: named, namespace, ...(old && { old }) };
}

function storedBefore<T>({ operation, oldObject }: ReviewRequest): T | undefined {
  return operation === 'UPDATE' && isObject(oldObject?.['spec']) ? (oldObject as unknown as T) : undefined;
}
