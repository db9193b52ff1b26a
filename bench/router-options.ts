import { parseArgs } from 'node:util';

export interface Options {
  readonly rounds: number;
  readonly milliseconds: number;
  /** Beginnings of the names of cases; empty means all. */
  readonly cases: readonly string[];
  /** Names of contenders; empty means all that are installed. */
  readonly contenders: readonly string[];
  readonly peers?: string;
  readonly soakMinutes?: number;
}

const usage = (
  cases: readonly string[],
  contenders: readonly string[],
): string => `What the router costs, beside other proxies and the same engines (bench/README.md).

  node dist/bench/router.js [OPTION...]

  --rounds N           rounds of each case, contenders take turns in each (5)
  --seconds S          how long one contender is measured in a round (2.5)
  --cases A,B          cases whose names begin so: ${cases.join(', ')}
  --contenders A,B     ${contenders.join(', ')}
  --peers DIR          a Python environment with sglang-router, vllm-router and smg
  --soak MINUTES       only our router, at 70 % of what it can, with clients that leave: does anything grow?
  --help

BENCH_NODE=/path/to/node measures our router on another Node.
BENCH_NODE_FLAGS gives flags to the measured Node, e.g. "--cpu-prof --cpu-prof-dir=/tmp/prof".
`;

const list = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** What the command line asks for; undefined when it asked for help or was wrong, which has been said. */
export function readOptions(
  args: readonly string[],
  cases: readonly string[],
  contenders: readonly string[],
): Options | undefined {
  try {
    const options = parsed(args);
    if (options === undefined) process.stdout.write(usage(cases, contenders));
    else refuseUnknown(options, cases, contenders);
    return options;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage(cases, contenders)}`);
    process.exitCode = 2;
    return undefined;
  }
}

function parsed(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2.5' },
      cases: { type: 'string' },
      contenders: { type: 'string' },
      peers: { type: 'string' },
      soak: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    rounds: positive('--rounds', values.rounds),
    milliseconds: positive('--seconds', values.seconds) * 1000,
    cases: list(values.cases),
    contenders: list(values.contenders),
    ...(values.peers === undefined ? {} : { peers: values.peers }),
    ...(values.soak === undefined ? {} : { soakMinutes: positive('--soak', values.soak) }),
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${flag} ${text}: give a number above 0`);
  return value;
}

function refuseUnknown(options: Options, cases: readonly string[], contenders: readonly string[]): void {
  const strange = options.cases.find((asked) => !cases.some((name) => name.startsWith(asked)));
  if (strange !== undefined) throw new Error(`--cases ${strange}: there is no such case`);
  const stranger = options.contenders.find((asked) => !contenders.includes(asked));
  if (stranger !== undefined) throw new Error(`--contenders ${stranger}: there is no such contender`);
}
