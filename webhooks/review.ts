import type { JsonObject } from '../src/base/json.js';
import { isObject } from '../src/base/json.js';
import type { Decision } from './decision.js';
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

/** The AdmissionReview that answers `uid`, as JSON text of ASCII characters alone: each is one byte, whatever it is written as. */
export function answerReview(uid: string, decision: Decision): string {
  const { allowed, patch, warnings = [], status } = decision;
  const isPatched = allowed && patch !== undefined && patch.operations > 0;
  const response = {
    uid,
    allowed,
    patchType: isPatched ? 'JSONPatch' : undefined,
    warnings: warnings.length > 0 ? warnings : undefined,
    status,
  };
  const answer = JSON.stringify({ apiVersion: reviewVersion, kind: 'AdmissionReview', response });
  const ascii = answer.replace(beyondAscii, escapeOf);
  // Base64 needs no escapes, so it is put in as it is; looking for them takes longer than making it.
  return isPatched ? `${ascii.slice(0, -2)},"patch":"${patch.base64}"}}` : ascii;
}

const beyondAscii = /[\u0080-\uffff]/g;
const escapeOf = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Shorter bodies cannot nest so deep that parsing them takes memory worth mentioning. */
const mostUnscanned = 65_536;

function parse(body: Buffer): Record<string, unknown> {
  if (body.length > mostUnscanned && depthOf(body) > maxDepth) throw tooDeep();
  let review: unknown;
  try {
    review = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw reviewErrors('not-readable', { why: 'it is not valid JSON' }, cause);
  }
  if (!isObject(review)) throw reviewErrors('not-readable', { why: 'it is not a JSON object' });
  refuseStrange(review, maxDepth);
  return review;
}

const tooDeep = () => reviewErrors('not-readable', { why: `it is nested more than ${maxDepth} levels deep` });

/** Throws when a value nests deeper than `levels`, or has a member that would be taken for a prototype. */
function refuseStrange(value: unknown, levels: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (levels === 0) throw tooDeep();
  if (Array.isArray(value)) {
    for (const item of value) refuseStrange(item, levels - 1);
    return;
  }
  for (const key in value) {
    if (key === '__proto__') throw strangeMember();
    refuseStrange((value as Readonly<Record<string, unknown>>)[key], levels - 1);
  }
}

const strangeMember = () =>
  reviewErrors('not-readable', { why: 'it has a member named __proto__, which no Kubernetes object has' });

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

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const objectOf = (value: unknown): JsonObject | undefined => (isObject(value) ? (value as JsonObject) : undefined);
const fields = (value: unknown) => (name: string) => (isObject(value) ? (text(value[name]) ?? '') : '');
