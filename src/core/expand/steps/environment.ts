import type { WantedEnv } from '../../profiles/types.js';
import { portShift, usesHostNetwork } from '../host-ports.js';
import { applies, because, engineAt, envEntry, profilesOf } from '../subject.js';
import type { Addition, Step, Subject } from '../types.js';

/** What the profiles want in the engine's environment. */
export const environment: Step = {
  name: 'environment',
  readAgain: true,
  additions: (subject) => [
    ...profilesOf(subject).flatMap((profile) =>
      (profile.env ?? [])
        .filter(({ when }) => applies(when, subject))
        .map((wish) => entry(subject, profile.name, wish)),
    ),
    ...addresses(subject),
  ],
};

/** The address that the serving names, in the variable that its connector reads, unless another one says it already. */
function addresses(subject: Subject): readonly Addition[] {
  const { reading, asked } = subject;
  const { store } = asked;
  if (store === undefined) return [];
  return (reading.connector?.parts ?? []).flatMap((profile) =>
    (profile.needs ?? [])
      .filter(({ when, oneOf }) => applies(when, subject) && !oneOf.some((name) => reading.env.has(name)))
      .map((need) => entry(subject, profile.name, { ...need, name: need.oneOf[0] ?? '', value: store })),
  );
}

function entry(subject: Subject, by: string, wish: WantedEnv): Addition {
  const isShared = wish.fieldPath === undefined && wish.when?.side === undefined;
  const peer = isShared ? peerValue(subject, wish.name) : undefined;
  const own = ownPort(subject, wish) ?? peer ?? filled(subject, wish);
  const value = own === undefined ? wish : { name: wish.name, value: own };
  return {
    kind: 'entry',
    list: [...engineAt(subject), 'env'],
    key: 'name',
    value: envEntry(value),
    ...because(by, wish),
  };
}

/** `{ports:7300}` in a value: a port for each tensor-parallel rank, counted from there. */
function filled({ reading }: Subject, { value }: WantedEnv): string | undefined {
  return value?.replace(/\{ports:(\d+)\}/g, (_, first: string) =>
    Array.from({ length: reading.engine.tensorParallel }, (_, rank) => Number(first) + rank).join(','),
  );
}

/** Under `hostNetwork` a role has its own block of ports. */
function ownPort(subject: Subject, { name, value }: WantedEnv): string | undefined {
  const { reading, roleIndex } = subject;
  const port = reading.connector?.profile?.ports?.find(({ fromEnv, movable }) => movable && fromEnv === name);
  if (port === undefined || !usesHostNetwork(reading.spec)) return undefined;
  return String((Number(value) || port.port) + portShift(true, roleIndex));
}

/** Both sides of a pair need one value, so a value that the user gave to a peer counts more than the profile's. */
function peerValue({ peers }: Subject, name: string): string | undefined {
  return peers.map(({ env }) => env.get(name)?.value).find((value) => value !== undefined);
}
