import { execFileSync } from 'node:child_process';

/** The Node that runs what is measured of ours: this one, or the one that `BENCH_NODE=/path/to/node` names. */
export const measuredNode = (): string => process.env['BENCH_NODE'] ?? process.execPath;

/** More flags for it, e.g. `BENCH_NODE_FLAGS="--cpu-prof --cpu-prof-dir=/tmp/prof"`. */
export const measuredFlags = (): readonly string[] => process.env['BENCH_NODE_FLAGS']?.split(' ').filter(Boolean) ?? [];

/** As it says it itself, e.g. `v20.20.2`. */
export const measuredVersion = (): string => execFileSync(measuredNode(), ['--version'], { encoding: 'utf8' }).trim();
