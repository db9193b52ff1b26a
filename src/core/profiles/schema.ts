/**
 * What a profile file may say. One schema validates `config/profiles/*.yaml` and gives the types of `types.ts`.
 *
 * Texts may hold placeholders in braces, filled by the expansion of the terse form: `{model}` (as said), `{modelId}` (without its scheme), `{modelName}` (its last part),
 * `{modelPath}`, `{servedName}`, `{port}`, `{tensorParallel}`, `{dataParallel}`, `{side}`, `{kvTransferConfig}`,
 * `{prefill.tensorParallel}`, `{prefill.pipelineParallel}`, `{prefill.dataParallel}`, and the same of `{decode...}`. A text that
 * is one placeholder of a number becomes that number inside a JSON skeleton. In roles of several pods `{pods}` is their
 * number, `{dataParallelLocal}` the data-parallel ranks of one pod, `{startRank}` the first rank of a worker pod.
 */
import Type from 'typebox';

const closed = { additionalProperties: false } as const;
const text = () => Type.String({ minLength: 1 });
const texts = () => Type.Array(text());
const count = () => Type.Integer({ minimum: 1 });
const port = () => Type.Integer({ minimum: 1, maximum: 65535 });
const side = () => Type.Union([Type.Literal('prefill'), Type.Literal('decode')]);
/** The entry pod of a role instance, or one of its workers. */
const place = () => Type.Union([Type.Literal('entry'), Type.Literal('worker')]);
const oneOrSeveral = () => Type.Union([Type.Literal('one'), Type.Literal('several')]);
const regularExpression = () => Type.String({ minLength: 1, format: 'regex' });

/** When a wanted piece applies; all conditions that are given must hold. */
const when = () =>
  Type.Optional(
    Type.Object(
      {
        /** Only on this side of the pair. */
        side: Type.Optional(side()),
        /** Only in entry pods, or only in workers. */
        place: Type.Optional(place()),
        /** Only in containers that the terse form makes: a habit of the image, not a need of every pod. */
        terse: Type.Optional(Type.Literal(true)),
        /** Only on the pod network: the value is wrong under `hostNetwork`. */
        podNetwork: Type.Optional(Type.Literal(true)),
        /** Only with one of these connectors. */
        connectors: Type.Optional(texts()),
        /** Only in pods of a role instance that has one pod, or several. */
        pods: Type.Optional(oneOrSeveral()),
        /** Only in a container whose image matches. */
        image: Type.Optional(regularExpression()),
        /** Only in pods that ask for devices by a resource name that matches. */
        resource: Type.Optional(regularExpression()),
        /** Only in pods that select nodes by one of these values of each label. */
        nodes: Type.Optional(Type.Record(Type.String(), texts())),
        /** Only on nodes whose container runtime mounts nothing by itself: without Ascend Docker Runtime. */
        runtimeMounts: Type.Optional(Type.Literal(false)),
      },
      closed,
    ),
  );
const reasoned = { because: text(), source: Type.Optional(text()), when: when() };

const wantedEnv = Type.Object(
  { name: text(), value: Type.Optional(Type.String()), fieldPath: Type.Optional(text()), ...reasoned },
  closed,
);
const wantedVolume = Type.Object(
  {
    name: text(),
    hostPath: text(),
    type: text(),
    mountPath: text(),
    readOnly: Type.Boolean(),
    /** Mounts that serve the same purpose: with one of them present nothing is added. */
    insteadOf: Type.Optional(texts()),
    /** A pod that has neither it nor one of those does not work; checks say so. */
    required: Type.Optional(Type.Literal(true)),
    ...reasoned,
  },
  closed,
);
const wantedLabel = Type.Object({ name: text(), value: text(), ...reasoned }, closed);

const heading = { name: Type.String({ pattern: '^[a-z0-9][-a-z0-9]*$', maxLength: 40 }), title: text() };

export const acceleratorSchema = Type.Object(
  {
    kind: Type.Literal('accelerator'),
    ...heading,
    vendor: text(),
    /** Extended resource names that mean this accelerator; the first is used by the terse form. */
    resources: Type.Array(text(), { minItems: 1 }),
    /** More resource names, as regular expressions (MIG slices, chips named by model). */
    resourcePatterns: Type.Optional(Type.Array(regularExpression())),
    /** Engine profiles that run on it; the first is the default. */
    engines: Type.Array(text(), { minItems: 1 }),
    /** Connector profiles that the terse form takes when none is named: the first that the engine has. */
    connectors: Type.Array(text(), { minItems: 1 }),
    /** The terse form takes this accelerator when none is named and several run the engine. */
    default: Type.Optional(Type.Literal(true)),
    /** Engine profile → image of the terse form, where the engine's own image does not run on this accelerator. */
    images: Type.Optional(Type.Record(Type.String(), text())),
    /** Devices a pod may ask for; any number when absent. */
    allowedCounts: Type.Optional(Type.Array(count(), { minItems: 1 })),
    /** The same, sharper, where the pod selects its node by a label: value of the label → devices a pod may ask for there. */
    allowedCountsBy: Type.Optional(
      Type.Object({ label: text(), counts: Type.Record(Type.String(), Type.Array(count(), { minItems: 1 })) }, closed),
    ),
    /** Node labels that tell hardware generations apart: KV moves only between pods that select the same. */
    generationLabels: Type.Optional(texts()),
    /** Labels, annotations and node selectors that only this platform knows. */
    platformKeys: Type.Optional(texts()),
    /** Variables that pick devices by number: the device plugin numbers them anew inside the container. */
    visibleDevices: Type.Optional(texts()),
    /** Shared memory of a pod is at least this, where the engine's own minimum is less. */
    sharedMemory: Type.Optional(text()),
    /** Host CPU and memory that the terse form asks for per device. */
    perDevice: Type.Optional(Type.Object({ cpu: text(), memory: text(), because: text() }, closed)),
    env: Type.Optional(Type.Array(wantedEnv)),
    volumes: Type.Optional(Type.Array(wantedVolume)),
    labels: Type.Optional(Type.Array(wantedLabel)),
  },
  closed,
);

const pace = () =>
  Type.Object(
    {
      periodSeconds: Type.Optional(count()),
      timeoutSeconds: Type.Optional(count()),
      failureThreshold: Type.Optional(count()),
    },
    closed,
  );

const terseArgument = Type.Object(
  {
    /** Long flag without dashes; absent for a positional argument. */
    flag: Type.Optional(text()),
    /** Absent for a bare flag. */
    value: Type.Optional(text()),
    /** The argument is left out when its value equals this. */
    unless: Type.Optional(Type.String()),
    /** When the argument is written; all conditions that are given must hold. */
    when: Type.Optional(
      Type.Object(
        {
          side: Type.Optional(side()),
          place: Type.Optional(place()),
          /** Pods of one role instance: the entry and its workers. */
          pods: Type.Optional(oneOrSeveral()),
          /** The same for the largest role: image and command follow it on both sides, because both must be equal. */
          podsAnywhere: Type.Optional(oneOrSeveral()),
          dataParallel: Type.Optional(oneOrSeveral()),
        },
        closed,
      ),
    ),
    because: text(),
    source: Type.Optional(text()),
  },
  closed,
);

export const engineSchema = Type.Object(
  {
    kind: Type.Literal('engine'),
    ...heading,
    family: Type.Union([Type.Literal('vllm'), Type.Literal('sglang')]),
    /** How its container is known. Of several engines that fit, an image match wins, then the higher precedence. */
    recognise: Type.Object(
      {
        images: Type.Array(regularExpression()),
        /** Words that start the engine in a command line, e.g. `vllm serve`, `-m sglang.launch_server`. */
        programs: Type.Array(Type.Array(text(), { minItems: 1 })),
        precedence: Type.Optional(Type.Integer()),
      },
      closed,
    ),
    /** Finds the engine's version in the image; its first group is the version. */
    version: Type.Optional(regularExpression()),
    flags: Type.Object(
      {
        /** Other spellings, short or long, without dashes → the long flag. */
        aliases: Type.Record(Type.String(), text()),
        /** Flags without a value. */
        switches: texts(),
        positionalModel: Type.Boolean(),
        model: text(),
        servedName: text(),
        tensorParallel: text(),
        pipelineParallel: text(),
        dataParallel: text(),
        dataParallelLocal: Type.Optional(text()),
        /** With this flag each local data-parallel rank has an API port of its own, counted from the engine's port. */
        apiForEachRank: Type.Optional(text()),
        /** Flag with the port where the ranks of other pods report to the entry pod. */
        dataParallelPort: Type.Optional(text()),
        contextParallel: Type.Optional(text()),
        nodes: Type.Optional(text()),
        /** With this flag the data-parallel ranks live inside the tensor-parallel world (SGLang's DP attention). */
        dataParallelInside: Type.Optional(text()),
        /** With this flag the engine has no API: it works for another pod. */
        headless: Type.Optional(text()),
        /** With one of these flags the workers of a role answer requests themselves; without, only the entry pod does. */
        workerApi: Type.Optional(texts()),
        /** Flag that carries the KV-transfer configuration as JSON. */
        kvTransferConfig: Type.Optional(text()),
        /** Flag that names the side of the pair. */
        side: Type.Optional(text()),
        /** Flag that names the transfer backend, where no KV-transfer configuration exists, and its default. */
        backend: Type.Optional(text()),
        backendDefault: Type.Optional(text()),
        /** Flag with the size of a KV block. */
        blockSize: Type.Optional(text()),
        /** Flag with the longest prompt and answer together. */
        maxLength: Type.Optional(text()),
      },
      closed,
    ),
    port: port(),
    /** Address that the engine listens on when no flag says otherwise; every address of the pod when absent. */
    hostDefault: Type.Optional(text()),
    /**
     * Flags whose values must be equal on both sides of a pair: they enter the KV fingerprint. `flag=default` where leaving
     * the flag out says the same as the default.
     */
    agree: texts(),
    env: Type.Optional(Type.Array(wantedEnv)),
    sharedMemory: Type.Object(
      { minimum: text(), perDevice: text(), because: text(), source: Type.Optional(text()) },
      closed,
    ),
    probes: Type.Object(
      {
        path: text(),
        periodSeconds: count(),
        timeoutSeconds: count(),
        failureThreshold: count(),
        /** Time a start may take: weights, compilation, graphs. */
        loadBudgetSeconds: count(),
        /** Another pace for one of the probes. */
        readiness: Type.Optional(pace()),
        liveness: Type.Optional(pace()),
        because: text(),
        source: Type.Optional(text()),
      },
      closed,
    ),
    drain: Type.Object(
      {
        metricsPath: text(),
        /** Gauges that are 0 when no request is in the engine; a name that is not exported counts as 0. */
        idle: texts(),
        /** Gauges that are 0 when no KV waits to be pulled; read on prefill only. */
        released: texts(),
        gracePeriodSeconds: count(),
        because: text(),
        source: Type.Optional(text()),
      },
      closed,
    ),
    /** What the terse form makes. */
    terse: Type.Object(
      {
        container: text(),
        image: text(),
        imagePullPolicy: Type.Optional(text()),
        command: Type.Optional(texts()),
        /** The image starts the engine by its entrypoint: `command` is written for images of another name only. */
        startsItself: Type.Optional(Type.Literal(true)),
        /** Instead of image and command where any role has several pods: both sides of a pair run the same image. */
        severalPods: Type.Optional(
          Type.Object({ image: text(), command: texts(), because: text(), source: Type.Optional(text()) }, closed),
        ),
        args: Type.Array(terseArgument),
        modelPath: text(),
        modelVolume: Type.Object(
          { name: text(), mountPath: text(), hostPath: Type.Optional(text()), because: text() },
          closed,
        ),
        downloader: Type.Object(
          { container: text(), image: text(), imagePullPolicy: Type.Optional(text()), args: texts(), because: text() },
          closed,
        ),
      },
      closed,
    ),
  },
  closed,
);

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

/** Models that have something in common which rules need to know. */
export const modelsSchema = Type.Object(
  {
    kind: Type.Literal('models'),
    ...heading,
    /** `one`: a single KV head, the same on every tensor-parallel rank (multi-head latent attention). */
    kvHeads: Type.Literal('one'),
    /** How they are known: regular expressions over the model and its served names, case does not count. */
    names: Type.Array(regularExpression(), { minItems: 1 }),
    source: Type.Optional(text()),
  },
  closed,
);

/** A network card that pods ask for as an extended resource. */
export const networkSchema = Type.Object(
  {
    kind: Type.Literal('network'),
    ...heading,
    /** Extended resource names that mean it, as regular expressions. */
    resourcePatterns: Type.Array(regularExpression(), { minItems: 1 }),
    /**
     * What a pod is given of it, where the cluster offers it: resource and count, with one of the connectors. Without it
     * only `tandem.dev/network` asks for a card.
     */
    give: Type.Optional(
      Type.Object({ resource: text(), count: count(), connectors: Type.Array(text(), { minItems: 1 }) }, closed),
    ),
    /** Capabilities that using the card takes. */
    capabilities: Type.Optional(texts()),
    because: text(),
    source: Type.Optional(text()),
  },
  closed,
);

export const profileSchemas = {
  accelerator: acceleratorSchema,
  engine: engineSchema,
  connector: connectorSchema,
  models: modelsSchema,
  network: networkSchema,
} as const;
