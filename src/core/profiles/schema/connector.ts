import Type from 'typebox';
import { terseArgument } from './terse-argument.js';
import { closed, heading, port, text, texts } from './values.js';
import { reasoned, wantedEnv, wantedVolume } from './wanted.js';

const skeleton = () => Type.Record(Type.String(), Type.Unknown());

export const connectorSchema = Type.Object(
  {
    kind: Type.Literal('connector'),
    ...heading,
    /** Engine profiles that have it. */
    engines: Type.Array(text(), { minItems: 1 }),
    /** `kv_connector` values that mean this connector. */
    connectors: texts(),
    /** Paths into the KV-transfer configuration; with several profiles for one name, the one whose paths are all present is meant. */
    onlyWith: Type.Optional(Type.Array(text(), { minItems: 1 })),
    /** Values of the engine's backend flag that mean this connector. */
    backends: Type.Optional(texts()),
    /** What the router speaks for it. */
    dialect: text(),
    /** Connectors that rules treat alike: `nixl`, `ascend-mooncake`, ...; the profile's own name when absent. */
    family: Type.Optional(text()),
    /** KV is found by the hash of its tokens, so every process needs one hash seed. */
    hashKeyed: Type.Optional(Type.Literal(true)),
    /**
     * Accelerator profile → image of the terse form that has this connector, where the engine's own image lacks it. An
     * accelerator that is not in the list has no known image: the user or the installation names one.
     */
    images: Type.Optional(Type.Record(Type.String(), text())),
    /** Addresses that no profile can know: the pod needs one of the variables, and `tandem.dev/store` fills the first. */
    needs: Type.Optional(
      Type.Array(Type.Object({ oneOf: Type.Array(text(), { minItems: 1 }), example: text(), ...reasoned }, closed)),
    ),
    /** A variable that names a YAML file: where it is set, the members of the file count and variables of the prefix do not. */
    configFile: Type.Optional(Type.Object({ variable: text(), prefix: text() }, closed)),
    /** What holds between the tensor-parallel sizes of both sides; `equal` enters the KV fingerprint. */
    tensorParallel: Type.Union([
      Type.Literal('any'),
      Type.Literal('equal'),
      Type.Literal('decode-at-least-prefill'),
      Type.Literal('prefill-at-least-decode'),
    ]),
    /** Paths into the KV-transfer configuration whose values must be equal on both sides: they enter the KV fingerprint. */
    agree: texts(),
    /** `engine`: the engine draws a fresh id at every start; `pod`: the id must be known beforehand, so the terse form sets it. */
    engineId: Type.Union([Type.Literal('engine'), Type.Literal('pod')]),
    /** KV-transfer configuration of the terse form; absent when the engine has none. */
    config: Type.Optional(Type.Object({ prefill: skeleton(), decode: skeleton() }, closed)),
    /** Further arguments of the terse form. */
    args: Type.Optional(Type.Array(terseArgument)),
    env: Type.Optional(Type.Array(wantedEnv)),
    /** Ports to declare on the engine container; `fromEnv` and `fromConfig` say where the pod may have moved it. */
    ports: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.String({ maxLength: 15, minLength: 1 }),
            port: port(),
            fromEnv: Type.Optional(text()),
            fromConfig: Type.Optional(text()),
            fromFlag: Type.Optional(text()),
            /** The engine opens further ports after this one: one for each data-parallel rank of the pod, or for each device. */
            oneForEach: Type.Optional(Type.Union([Type.Literal('dataParallelRank'), Type.Literal('device')])),
            /** The other side learns the number with each transfer, so under `hostNetwork` every role may have its own. */
            movable: Type.Optional(Type.Literal(true)),
            ...reasoned,
          },
          closed,
        ),
      ),
    ),
    volumes: Type.Optional(Type.Array(wantedVolume)),
    capabilities: Type.Optional(Type.Array(Type.Object({ name: text(), ...reasoned }, closed))),
  },
  closed,
);
