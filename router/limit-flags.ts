import { table } from '../src/base/errors.js';
import { wholeUnits } from '../src/base/quantity.js';
import { defaultLimits, type Limits } from './limits.js';
import { longestTimeout, parseDuration } from './timeout.js';

/** How a limit is written: `64Mi`; `1m30s`, and 0 where `least` is 0; a whole number. */
export type LimitUnit = 'bytes' | 'duration' | 'count';

export interface LimitFlag {
  /** Without the dashes. */
  readonly flag: string;
  readonly limit: keyof Limits;
  readonly unit: LimitUnit;
  /** In bytes, milliseconds or as a count. */
  readonly least: number;
  readonly most: number;
  readonly says: string;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const gibibyte = 1024 * mebibyte;

const bytes = { unit: 'bytes', least: kibibyte, most: 1024 * gibibyte } as const;
const count = { unit: 'count', least: 1, most: 10_000_000 } as const;
/** A time that somebody waits. */
const wait = { unit: 'duration', least: 1, most: longestTimeout } as const;
/** A time that 0 switches off, or makes none at all. */
const orNone = { unit: 'duration', least: 0, most: longestTimeout } as const;

/** Every limit of the router that its owner may set, in the order of the documentation. */
export const limitFlags: readonly LimitFlag[] = [
  { flag: 'max-body', limit: 'bodyBytes', ...bytes, says: 'largest request body' },
  { flag: 'max-header', limit: 'headerBytes', ...bytes, most: mebibyte, says: 'request line and headers together' },
  { flag: 'max-bodies', limit: 'bodyBytesInFlight', ...bytes, says: 'all request bodies held at one moment' },
  { flag: 'max-held-answer', limit: 'heldAnswerBytes', ...bytes, says: 'largest answer held back for another attempt' },
  { flag: 'max-requests', limit: 'requestsInFlight', ...count, says: 'requests in flight' },
  { flag: 'max-connections', limit: 'connections', ...count, says: 'connections of clients' },
  {
    flag: 'max-connections-per-client',
    limit: 'connectionsPerClient',
    ...count,
    says: 'connections of one client address; a gateway is one client',
  },
  { flag: 'request-timeout', limit: 'requestMs', ...wait, says: 'from the first byte of a request to its last' },
  { flag: 'keep-alive', limit: 'keepAliveMs', ...wait, says: 'how long a connection stays open between requests' },
  { flag: 'connect-timeout', limit: 'connectMs', ...wait, says: 'to connect to an engine' },
  { flag: 'prefill-timeout', limit: 'prefillMs', ...orNone, says: "to prefill's response head; 0 for no limit" },
  { flag: 'decode-timeout', limit: 'decodeMs', ...orNone, says: "to decode's response head; 0 for no limit" },
  { flag: 'idle-timeout', limit: 'idleMs', ...orNone, says: 'between two reads of an answer; 0 for no limit' },
  { flag: 'slow-client-timeout', limit: 'slowClientMs', ...wait, says: 'how long a client may take nothing' },
  { flag: 'drain', limit: 'drainMs', ...orNone, says: 'for open answers after SIGTERM' },
  {
    flag: 'heartbeat',
    limit: 'heartbeatMs',
    ...orNone,
    says: 'silence after which a stream gets a comment; 0 for none',
  },
  { flag: 'deliver-timeout', limit: 'deliverMs', ...orNone, says: 'for decode to begin for a client who left' },
  { flag: 'abandoned-timeout', limit: 'abandonedMs', ...wait, says: 'for the one-token legs of a client who left' },
  { flag: 'avoid', limit: 'avoidMs', ...orNone, says: 'how long a pod that failed is the last choice' },
  { flag: 'attempts', limit: 'attempts', ...count, most: 10, says: 'pairs tried for one request' },
];

export const limitErrors = table({
  'bad-limit': {
    status: 400,
    retryable: false,
    says: (m: { flag: string; value: string; want: string }) =>
      `--${m.flag} "${m.value}" cannot be used; write ${m.want}`,
  },
  'bodies-below-body': {
    status: 400,
    retryable: false,
    says: (m: { bodies: string; body: string }) =>
      `--max-bodies ${m.bodies} is less than --max-body ${m.body}: a body of that size would always be refused; raise --max-bodies to ${m.body}, or lower --max-body`,
  },
});

/** The limit in bytes, milliseconds or as a count. @throws bad-limit */
export function readLimit(row: LimitFlag, value: string): number {
  const amount = amountOf(row.unit, value.trim());
  if (amount !== undefined && amount >= row.least && amount <= row.most) return amount;
  const { flag, unit, least, most } = row;
  const range = `from ${shown(unit, least)} to ${shown(unit, most)}`;
  throw limitErrors('bad-limit', { flag, value, want: `${kindOf[unit]}, ${range}` });
}

/** What no single flag can say of itself. @throws bodies-below-body */
export function checkTogether({ bodyBytes, bodyBytesInFlight }: Limits): void {
  if (bodyBytesInFlight >= bodyBytes) return;
  throw limitErrors('bodies-below-body', {
    bodies: shown('bytes', bodyBytesInFlight),
    body: shown('bytes', bodyBytes),
  });
}

/** The default as a user would write it. */
export function defaultOf({ unit, limit }: LimitFlag): string {
  return shown(unit, defaultLimits[limit]);
}

const kindOf: Readonly<Record<LimitUnit, string>> = {
  bytes: 'a size such as 64Mi',
  duration: 'a time such as 30s or 1m30s',
  count: 'a whole number',
};

function amountOf(unit: LimitUnit, value: string): number | undefined {
  switch (unit) {
    case 'bytes':
      return wholeUnits(value);
    case 'duration':
      return parseDuration(value);
    case 'count':
      return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
  }
}

function shown(unit: LimitUnit, amount: number): string {
  if (amount === 0 || unit === 'count') return String(amount);
  const names = unit === 'bytes' ? sizes : times;
  const [size, name] = names.find(([size]) => amount % size === 0) ?? [1, ''];
  return `${amount / size}${name}`;
}

const sizes: readonly (readonly [number, string])[] = [
  [gibibyte, 'Gi'],
  [mebibyte, 'Mi'],
  [kibibyte, 'Ki'],
];
const times: readonly (readonly [number, string])[] = [
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
  [1, 'ms'],
];

/** Connections of one client that each worker takes at the least: they come in turn with those of others, and not evenly. */
const leastOfClient = 100;

/**
 * What one of so many workers may take of what holds for the router as a whole. Connections come to them in turn, so that
 * each gets an equal part, but never so little that one request or one client within its limit would be refused for ever.
 */
export function limitsPerWorker(limits: Limits, workers: number): Limits {
  const part = (limit: number): number => Math.ceil(limit / workers);
  const { bodyBytes, bodyBytesInFlight, requestsInFlight, connections, connectionsPerClient } = limits;
  return {
    ...limits,
    bodyBytesInFlight: Math.max(bodyBytes, part(bodyBytesInFlight)),
    requestsInFlight: part(requestsInFlight),
    connections: part(connections),
    connectionsPerClient: Math.min(connectionsPerClient, Math.max(leastOfClient, part(connectionsPerClient))),
  };
}
