/** The trace that a request belongs to. */
export interface Trace {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Two hexadecimal digits. */
  readonly flags: string;
  /** Begun here: a `tracestate` from the client speaks of another one (W3C Trace Context 3.3). */
  readonly isNew: boolean;
}

export interface TracingOptions {
  /** Begin a trace for each request that has none. */
  readonly startsAll: boolean;
  /** Random bytes as hexadecimal digits, never all zero. */
  readonly mintHex: (bytes: number) => string;
  /** A client sent what cannot be read. */
  readonly onIllegal: (traceparent: string) => void;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const zeros = /^0*$/;
const noMatch: readonly string[] = [];
/** `sampled` and `random`: every other flag is unknown, and unknown ones are not passed on (Trace Context 2, 3.2.2.5). */
const knownFlags = 3;
/** The access log is a record of it. */
const sampled = '01';

/** Undefined when it is not legal. Of a later version its beginning counts (W3C Trace Context 3.2.2, 3.2.4). */
function readTraceparent(value: string): Trace | undefined {
  const [, version, id = '', parent = '', flags = '', more] = pattern.exec(value) ?? noMatch;
  const isKnown = version !== 'ff' && (version !== '00' || more === undefined);
  if (!isKnown || zeros.test(id) || zeros.test(parent)) return undefined;
  return { id, flags: `0${Number.parseInt(flags, 16) & knownFlags}`, isNew: false };
}

/** Keeps requests in the traces of their clients, and gives each leg a span of its own. */
export class Tracing {
  readonly #options: TracingOptions;

  constructor(options: TracingOptions) {
    this.#options = options;
  }

  /**
   * The trace of a request with these `traceparent` headers; undefined when it has none and none is begun for it. What cannot
   * be read begins a new trace, as the specification asks.
   */
  of(given: readonly string[]): Trace | undefined {
    const { startsAll, mintHex, onIllegal } = this.#options;
    const [value] = given;
    if (value !== undefined) {
      const trace = given.length === 1 ? readTraceparent(value) : undefined;
      if (trace) return trace;
      onIllegal(value);
    } else if (!startsAll) {
      return undefined;
    }
    return { id: mintHex(16), flags: sampled, isNew: true };
  }

  /** The header line of one leg, whose span is a new child of the client's. */
  line({ id, flags }: Trace): string {
    return `traceparent: 00-${id}-${this.#options.mintHex(8)}-${flags}\r\n`;
  }
}
