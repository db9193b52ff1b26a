import Type from 'typebox';
import { terseArgument } from './terse-argument.js';
import { closed, count, heading, port, regularExpression, text, texts } from './values.js';
import { wantedEnv } from './wanted.js';

const pace = () =>
  Type.Object(
    {
      periodSeconds: Type.Optional(count()),
      timeoutSeconds: Type.Optional(count()),
      failureThreshold: Type.Optional(count()),
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
        /** The same inside the tensor-parallel world (SGLang): it takes no further devices. */
        contextParallelInside: Type.Optional(text()),
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
        /** Further paths that a working engine answers with 200. */
        alsoAnswers: Type.Optional(texts()),
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
