import type { Container } from '../../api/kube.js';
import type { AcceleratorProfile, EngineProfile, Profiles } from '../profiles/types.js';
import { type CommandLine, commandLines, programEnd, type Word } from './command-line.js';
import { readDevices } from './devices.js';
import { patternOf } from './pattern.js';
import { textAt } from './shape.js';
import type { Certainty } from './types.js';

/** An engine found in a container, with the words after its program. */
export interface Recognised {
  readonly profile: EngineProfile;
  readonly words: readonly Word[];
  readonly certainty: Certainty;
  /** The engine's program stands in the command line, or the image starts it: stronger than an image name alone. */
  readonly started: boolean;
}

/** The engine that a container runs, by its command line and image; undefined for a sidecar, a proxy, a plain nginx. */
export function recogniseEngine(container: Container, profiles: Profiles): Recognised | undefined {
  const lines = commandLines(container);
  const devices = readDevices(container, '', profiles);
  const image = textAt(container, 'image') ?? '';
  const found: Recognised[] = [];
  for (const profile of profiles.engines) {
    const recognised = recogniseAs(profile, image, lines, devices.profile);
    if (recognised) found.push(recognised);
  }
  return found.length > 1 ? best(found, image, devices.profile) : found[0];
}

function recogniseAs(
  profile: EngineProfile,
  image: string,
  lines: readonly CommandLine[],
  accelerator: AcceleratorProfile | undefined,
): Recognised | undefined {
  for (const line of lines) {
    const end = endOfProgram(profile, line);
    if (end !== undefined) return { profile, words: line.words.slice(end), certainty: line.certainty, started: true };
  }
  if (!matchesImage(profile, image)) return undefined;
  const entrypoint = lines.find((line) => line.entrypoint);
  if (entrypoint) return { profile, words: entrypoint.words, certainty: entrypoint.certainty, started: true };
  // An engine image with another command may run a proxy or a job; with devices it can only be the engine.
  return accelerator ? { profile, words: [], certainty: 'opaque', started: false } : undefined;
}

function endOfProgram(profile: EngineProfile, line: CommandLine): number | undefined {
  for (const program of profile.recognise.programs) {
    const end = programEnd(line, program);
    if (end !== undefined) return end;
  }
  return undefined;
}

const matchesImage = (profile: EngineProfile, image: string): boolean =>
  profile.recognise.images.some((pattern) => patternOf(pattern).test(image));

/** Engines share programs and image names: the accelerator decides first, then the image, then the profile's precedence. */
function best(
  found: readonly Recognised[],
  image: string,
  accelerator: AcceleratorProfile | undefined,
): Recognised | undefined {
  const runs = found.filter(({ profile }) => accelerator?.engines.includes(profile.name));
  const candidates = runs.length > 0 ? runs : found;
  const named = candidates.filter(({ profile }) => matchesImage(profile, image));
  const from = named.length > 0 ? named : candidates;
  const precedence = ({ profile }: Recognised) => profile.recognise.precedence ?? 0;
  const order = ({ profile }: Recognised) => accelerator?.engines.indexOf(profile.name) ?? 0;
  const byImage = (a: Recognised, b: Recognised) => precedence(b) - precedence(a);
  const byAccelerator = (a: Recognised, b: Recognised) => order(a) - order(b) || precedence(a) - precedence(b);
  return [...from].sort(named.length > 0 ? byImage : byAccelerator)[0];
}
