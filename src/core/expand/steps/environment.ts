import type { WantedEnv } from '../../profiles/types.js';
import { mostRanks } from '../../reading/engine.js';
import { listAt } from '../../reading/shape.js';
import { portShift, usesHostNetwork } from '../host-ports.js';
import { applies, engineAt, envEntry, filledText, profilesOf } from '../subject.js';
import type { Addition, Place, Step, Subject } from '../types.js';

/** What the profiles want in the engine's environment. */
export const environment: Step = {
  name: 'environment',
  readAgain: 'environment',
  additions: (subject) => {
    const list = [...engineAt(subject), 'env'];
    const wanted: Addition[] = [];
    for (const profile of profilesOf(subject)) {
      for (const wish of profile.env ?? []) {
        if (applies(wish.when, subject) && !mayBeElsewhere(subject, wish)) {
          wanted.push(entry(subject, list, profile.name, wish));
        }
      }
    }
    return subject.asked.store === undefined ? wanted : [...wanted, ...addresses(subject, list)];
  },
};

/**
 * A ConfigMap or Secret of `envFrom` may hold any value, and an entry of `env` would win over it. Only what the pod alone
 * knows is in none of them.
 */
const mayBeElsewhere = ({ reading }: Subject, { fieldPath }: WantedEnv): boolean =>
  fieldPath === undefined && listAt(reading.container, 'envFrom').length > 0;

/** What the profiles want and leave to `envFrom`, without what stands in `env`. */
export const leftToEnvFrom = (subject: Subject): readonly WantedEnv[] =>
  profilesOf(subject)
    .flatMap(({ env = [] }) => env)
    .filter(
      (wish) => applies(wish.when, subject) && mayBeElsewhere(subject, wish) && !subject.reading.env.has(wish.name),
    );

/** The address that the serving names, in the variable that its connector reads, unless another one says it already. */
function addresses(subject: Subject, list: Place): readonly Addition[] {
  const { reading, asked } = subject;
  const { store } = asked;
  if (store === undefined) return [];
  return (reading.connector?.parts ?? []).flatMap((profile) =>
    (profile.needs ?? [])
      .filter(({ when, oneOf }) => applies(when, subject) && !oneOf.some((name) => reading.env.has(name)))
      .map((need) => entry(subject, list, profile.name, { ...need, name: need.oneOf[0] ?? '', value: store })),
  );
}

function entry(subject: Subject, list: Place, by: string, wish: WantedEnv): Addition {
  const isShared = wish.fieldPath === undefined && wish.when?.side === undefined;
  const peer = isShared ? peerValue(subject, wish.name) : undefined;
  const own = ownPort(subject, wish) ?? peer ?? filled(subject, wish);
  const value = own === undefined ? fromField(subject, wish) : { name: wish.name, value: own };
  return {
    kind: 'entry',
    list,
    key: 'name',
    value: envEntry(value),
    by,
    because: wish.because,
    source: wish.source,
  };
}

const fromField = (subject: Subject, wish: WantedEnv) =>
  wish.fieldPath === undefined ? wish : { name: wish.name, fieldPath: filledText(wish.fieldPath, subject) };

/** `{ports:7300}` in a value: a port for each tensor-parallel rank, counted from there. */
function filled({ reading }: Subject, { value }: WantedEnv): string | undefined {
  if (!value?.includes('{ports:')) return value;
  const ranks = Math.min(reading.engine.tensorParallel, mostRanks);
  return value.replace(/\{ports:(\d+)\}/g, (_, first: string) =>
    Array.from({ length: ranks }, (_, rank) => Number(first) + rank).join(','),
  );
}

/** Under `hostNetwork` a role has its own block of ports. */
function ownPort(subject: Subject, { name, value }: WantedEnv): string | undefined {
  const { reading, roleIndex } = subject;
  if (!usesHostNetwork(reading.spec)) return undefined;
  const port = reading.connector?.profile?.ports?.find(({ fromEnv, movable }) => movable && fromEnv === name);
  if (port === undefined) return undefined;
  return String((Number(value) || port.port) + portShift(true, roleIndex));
}

/** Both sides of a pair need one value, so a value that the user gave to a peer counts more than the profile's. */
function peerValue({ peers }: Subject, name: string): string | undefined {
  for (const { env } of peers) {
    const value = env.get(name)?.value;
    if (value !== undefined) return value;
  }
  return undefined;
}
