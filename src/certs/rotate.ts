import type { Instant } from '../base/clock.js';

/** When a certificate is valid, in milliseconds since the Unix epoch. */
export interface Validity {
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

export interface RotationPolicy {
  /** How long a CA lives. */
  readonly authorityLifetime: number;
  /** How long a serving certificate lives. */
  readonly servingLifetime: number;
  /** A certificate is replaced when this share of its life is over. */
  readonly renewAfter: number;
  /** How long a new CA is only trusted before it signs: the time that every API server needs to read the new caBundle. */
  readonly settle: number;
  /** Certificates start this much in the past, for clocks that are behind ours. */
  readonly clockSkew: number;
}

const hour = 3_600_000;
const day = 24 * hour;

export const defaultRotation: RotationPolicy = {
  authorityLifetime: 365 * day,
  servingLifetime: 30 * day,
  renewAfter: 2 / 3,
  settle: hour / 6,
  clockSkew: hour,
};

export interface AuthorityPlan {
  /** Positions of the CAs that stay in the bundle. */
  readonly trust: readonly number[];
  /** Position of the CA that signs; undefined when none can, so one must be created and signs at once. */
  readonly sign: number | undefined;
  /** Whether a new CA is due. */
  readonly create: boolean;
}

/**
 * What to do with the CAs at hand, oldest first: an expired one leaves the bundle, an ageing one gets a successor, and
 * the youngest one that has settled signs. Old and new are trusted together from creation to expiry, so no handshake fails.
 */
export function planAuthorities(held: readonly Validity[], now: Instant, policy: RotationPolicy): AuthorityPlan {
  const trust = held.flatMap(({ notAfter }, position) => (notAfter > now ? [position] : []));
  const valid = (position: number) => (held[position]?.notBefore ?? Number.POSITIVE_INFINITY) <= now;
  const settled = (position: number) => (held[position]?.notBefore ?? 0) + policy.clockSkew + policy.settle <= now;
  const usable = trust.filter(valid);
  // The only usable CA signs without settling: nothing that is trusted could sign instead.
  const sign = usable.findLast(settled) ?? usable[0];
  const youngest = held[trust.at(-1) ?? -1];
  return { trust, sign, create: youngest === undefined || isDue(youngest, now, policy) };
}

/** Whether a certificate should be replaced: most of its life is over, or it is not valid yet (its clock was ahead). */
export function isDue(validity: Validity, now: Instant, policy: RotationPolicy): boolean {
  const life = validity.notAfter - validity.notBefore;
  return now >= validity.notBefore + life * policy.renewAfter || now < validity.notBefore;
}

/** The validity of a certificate made now; never longer than that of the CA which signs it. */
export function validityFrom(now: Instant, lifetime: number, policy: RotationPolicy, signer?: Validity): Validity {
  const notAfter = now + lifetime;
  return {
    notBefore: Math.max(now - policy.clockSkew, signer?.notBefore ?? Number.NEGATIVE_INFINITY),
    notAfter: Math.min(notAfter, signer?.notAfter ?? notAfter),
  };
}
