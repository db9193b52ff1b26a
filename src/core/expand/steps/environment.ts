import type { WantedEnv } from '../../profiles/types.js';
import { portShift, usesHostNetwork } from '../host-ports.js';
import { applies, because, engineAt, envEntry, profilesOf } from '../subject.js';
import type { Addition, Step, Subject } from '../types.js';

/** What the profiles want in the engine's environment. */
export const environment: Step = {
  name: 'environment',
  readAgain: true,
  additions: (subject) =>
    profilesOf(subject).flatMap((profile) =>
      (profile.env ?? [])
        .filter(({ when }) => applies(when, subject))
        .map((wish) => entry(subject, profile.name, wish)),
    ),
};

function entry(subject: Subject, by: string, wish: WantedEnv): Addition {
  const peer = wish.fieldPath === undefined ? peerValue(subject, wish.name) : undefined;
  const own = ownPort(subject, wish) ?? peer;
  const value = own === undefined ? wish : { name: wish.name, value: own };
  return {
    kind: 'entry',
    list: [...engineAt(subject), 'env'],
    key: 'name',
    value: envEntry(value),
    ...because(by, wish),
  };
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
