import type { JsonObject } from '../src/base/json.js';
import { isObject } from '../src/base/json.js';
import type { Decision, PatchOperation } from './decision.js';
import { reviewErrors } from './errors.js';

/** The part of an AdmissionReview (admission.k8s.io/v1) request that decisions read. */
export interface ReviewRequest {
  readonly uid: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
  readonly subResource: string | undefined;
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly operation: string;
  readonly dryRun: boolean;
  readonly user: string | undefined;
  readonly object: JsonObject | undefined;
  readonly oldObject: JsonObject | undefined;
}

export interface ReviewResponse {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly patchType?: 'JSONPatch';
    readonly patch?: string;
    readonly warnings?: readonly string[];
    readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  };
}

const reviewVersion = 'admission.k8s.io/v1';
/** Deeper than any Kubernetes object (CRD schemas of ten levels of schemas stay below 100), shallow enough to recurse on. */
const maxDepth = 400;

/** Reads the body of a POST; throws one of `reviewErrors`, each of which is a 4xx, when it is no review that can be answered. */
export function readReview(body: Buffer): ReviewRequest {
  const review = parse(body);
  const saw = `${text(review['apiVersion']) ?? 'absent'} ${text(review['kind']) ?? 'absent'}`;
  if (saw !== `${reviewVersion} AdmissionReview`) throw reviewErrors('unknown-version', { saw: saw.slice(0, 200) });
  const request = review['request'];
  if (!isObject(request)) throw reviewErrors('not-readable', { why: 'it has no request object' });
  const uid = text(request['uid']);
  if (uid === undefined || uid === '') throw reviewErrors('no-uid', undefined);
  return requestOf(uid, request);
}

function requestOf(uid: string, request: Record<string, unknown>): ReviewRequest {
  const kind = fields(request['kind']);
  const resource = fields(request['resource']);
  return {
    uid,
    kind: { group: kind('group'), version: kind('version'), kind: kind('kind') },
    resource: { group: resource('group'), version: resource('version'), resource: resource('resource') },
    subResource: text(request['subResource']),
    name: text(request['name']),
    namespace: text(request['namespace']),
    operation: text(request['operation']) ?? '',
    dryRun: request['dryRun'] === true,
    user: isObject(request['userInfo']) ? text(request['userInfo']['username']) : undefined,
    object: objectOf(request['object']),
    oldObject: objectOf(request['oldObject']),
  };
}

/** The AdmissionReview that answers `uid`. */
export function answerReview(uid: string, decision: Decision): ReviewResponse {
  const { allowed, patch = [], warnings = [], status } = decision;
  return {
    apiVersion: reviewVersion,
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed,
      ...(allowed && patch.length > 0 && { patchType: 'JSONPatch' as const, patch: encodePatch(patch) }),
      ...(warnings.length > 0 && { warnings }),
      ...(status && { status }),
    },
  };
}

const encodePatch = (patch: readonly PatchOperation[]): string => Buffer.from(JSON.stringify(patch)).toString('base64');

function parse(body: Buffer): Record<string, unknown> {
  const depth = depthOf(body);
  if (depth > maxDepth) throw reviewErrors('not-readable', { why: `it is nested more than ${maxDepth} levels deep` });
  let review: unknown;
  try {
    review = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw reviewErrors('not-readable', { why: 'it is not valid JSON' }, cause);
  }
  if (!isObject(review)) throw reviewErrors('not-readable', { why: 'it is not a JSON object' });
  if (body.includes('"__proto__"') && hasKey(review, '__proto__')) {
    throw reviewErrors('not-readable', { why: 'it has a member named __proto__, which no Kubernetes object has' });
  }
  return review;
}

/** How deep the brackets of a JSON text nest; strings are skipped. Linear, without recursion, stops at the limit. */
function depthOf(body: Buffer): number {
  let depth = 0;
  for (let i = 0; i < body.length && depth <= maxDepth; i++) {
    const byte = body[i];
    if (byte === quote) i = endOfString(body, i);
    else if (byte === brace || byte === bracket) depth++;
    else if (byte === closingBrace || byte === closingBracket) depth--;
  }
  return depth;
}

const [quote, backslash, brace, closingBrace, bracket, closingBracket] = [...Buffer.from('"\\{}[]')];

function endOfString(body: Buffer, start: number): number {
  let i = start + 1;
  while (i < body.length && body[i] !== quote) i += body[i] === backslash ? 2 : 1;
  return i;
}

function hasKey(value: unknown, key: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, key) || Object.values(value).some((member) => hasKey(member, key));
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const objectOf = (value: unknown): JsonObject | undefined => (isObject(value) ? (value as JsonObject) : undefined);
const fields = (value: unknown) => (name: string) => (isObject(value) ? (text(value[name]) ?? '') : '');
