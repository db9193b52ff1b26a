import { tandemKeys } from '../../api/names.js';
import type { ModelServing } from '../../api/types.js';
import type { AcceleratorProfile, ConnectorProfile, EngineProfile, Profiles } from '../profiles/types.js';
import { objectAt } from '../reading/shape.js';
import type { PodReading } from '../reading/types.js';
import type { ExpandProblem } from './types.js';

/** The three profiles of a terse serving. */
export interface Choice {
  readonly engine: EngineProfile;
  readonly accelerator: AcceleratorProfile;
  readonly connector: ConnectorProfile | undefined;
}

export const annotationPath = (key: string): string => `metadata.annotations["${key}"]`;

/**
 * What the annotations name, and for what they leave out what the user's own container is, or else the one that fits; a
 * problem where nothing or too much fits, or where the annotations name another one than the container is.
 */
export function chooseProfiles(
  serving: ModelServing,
  profiles: Profiles,
  pod?: PodReading | undefined,
): Choice | ExpandProblem {
  const said = annotationsOf(serving);
  const named = {
    accelerator: lookUp(said, tandemKeys.accelerator.key, profiles.accelerators),
    engine: lookUp(said, tandemKeys.engine.key, profiles.engines),
    connector: lookUp(said, tandemKeys.connector.key, profiles.connectors),
  };
  for (const outcome of Object.values(named)) if (outcome && 'want' in outcome) return outcome;
  const chosen = named as Partial<Choice>;
  return (pod && contradicts(pod, chosen)) ?? complete(chosen, profiles, pod);
}

function complete(said: Partial<Choice>, profiles: Profiles, pod: PodReading | undefined): Choice | ExpandProblem {
  const known = said.engine ?? pod?.engine.profile;
  const accelerator = said.accelerator ?? pod?.devices.profile ?? inferAccelerator(known, said.connector, profiles);
  if ('want' in accelerator) return accelerator;
  const engine = known ?? inferEngine(accelerator, said.connector, profiles);
  const connector = said.connector ?? inferConnector(accelerator, engine, profiles);
  return fit({ engine, accelerator, connector });
}

/** What the annotations name, where the container is another one. */
function contradicts(
  { container, containerPath, engine, devices }: PodReading,
  { accelerator, engine: named }: Partial<Choice>,
): ExpandProblem | undefined {
  if (named && named !== engine.profile) {
    return {
      path: annotationPath(tandemKeys.engine.key),
      saw: named.name,
      want: `${engine.profile.name}, which the image ${container.image ?? ''} is (${containerPath})`,
      fix: 'correct the annotation or the image, or remove the annotation',
    };
  }
  if (accelerator && devices.profile && accelerator !== devices.profile) {
    return {
      path: annotationPath(tandemKeys.accelerator.key),
      saw: accelerator.name,
      want: `${devices.profile.name}, whose ${devices.resource ?? 'devices'} the container asks for (${containerPath})`,
      fix: 'correct the annotation or the resource, or remove the annotation',
    };
  }
  return undefined;
}

/** Annotations of an object that may not have been validated yet: what is not text is absent. */
export function annotationsOf(serving: ModelServing): Readonly<Record<string, string>> {
  const written = Object.entries(objectAt(serving.metadata, 'annotations') ?? {});
  return Object.fromEntries(written.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** The connector that an annotation names, for an engine; a problem when there is none of that name, or not for it. */
export function namedConnector(
  serving: ModelServing,
  engine: EngineProfile,
  profiles: Profiles,
): ConnectorProfile | ExpandProblem | undefined {
  const found = lookUp(annotationsOf(serving), tandemKeys.connector.key, profiles.connectors);
  if (found === undefined || 'want' in found) return found;
  return found.engines.includes(engine.name) ? found : wrongConnector(found, engine);
}

function lookUp<P extends { readonly name: string }>(
  said: Readonly<Record<string, string>>,
  key: string,
  known: readonly P[],
): P | ExpandProblem | undefined {
  const name = said[key];
  if (name === undefined) return undefined;
  const names = known.map((profile) => profile.name).join(', ');
  return (
    known.find((profile) => profile.name === name) ?? {
      path: annotationPath(key),
      saw: name,
      want: 'the name of a profile',
      fix: `use one of ${names}, or add a profile file of that name`,
    }
  );
}

function inferAccelerator(
  engine: EngineProfile | undefined,
  connector: ConnectorProfile | undefined,
  profiles: Profiles,
): AcceleratorProfile | ExpandProblem {
  const wanted = engine ? [engine.name] : connector?.engines;
  const fitting = profiles.accelerators.filter(
    ({ engines }) => !wanted || wanted.some((name) => engines.includes(name)),
  );
  const usual = fitting.filter((profile) => profile.default);
  const only = usual[0] ?? (fitting.length === 1 ? fitting[0] : undefined);
  return (
    only ?? {
      path: annotationPath(tandemKeys.accelerator.key),
      saw: undefined,
      want: 'the accelerator of the nodes',
      fix: `add the annotation with one of ${(fitting.length > 0 ? fitting : profiles.accelerators).map(({ name }) => name).join(', ')}`,
    }
  );
}

function inferEngine(
  accelerator: AcceleratorProfile,
  connector: ConnectorProfile | undefined,
  profiles: Profiles,
): EngineProfile {
  const name =
    accelerator.engines.find((engine) => !connector || connector.engines.includes(engine)) ?? accelerator.engines[0];
  return profiles.engines.find((profile) => profile.name === name) as EngineProfile;
}

function inferConnector(
  accelerator: AcceleratorProfile,
  engine: EngineProfile,
  profiles: Profiles,
): ConnectorProfile | undefined {
  const known = accelerator.connectors.map((name) => profiles.connectors.find((profile) => profile.name === name));
  return known.find((profile) => profile?.engines.includes(engine.name));
}

function fit(choice: Choice): Choice | ExpandProblem {
  const { engine, accelerator, connector } = choice;
  if (!accelerator.engines.includes(engine.name)) {
    const fix = `use one of ${accelerator.engines.join(', ')}, or another ${tandemKeys.accelerator.key}`;
    return {
      path: annotationPath(tandemKeys.engine.key),
      saw: engine.name,
      want: `an engine that runs on ${accelerator.name}`,
      fix,
    };
  }
  if (connector && !connector.engines.includes(engine.name)) {
    return wrongConnector(connector, engine);
  }
  return choice;
}

function wrongConnector(connector: ConnectorProfile, engine: EngineProfile): ExpandProblem {
  return {
    path: annotationPath(tandemKeys.connector.key),
    saw: connector.name,
    want: `a connector of ${engine.name}`,
    fix: `use another ${tandemKeys.connector.key}, or one of the engines ${connector.engines.join(', ')}`,
  };
}
