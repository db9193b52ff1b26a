import Type from 'typebox';
import { closed, count, heading, regularExpression, text, texts } from './values.js';
import { wantedConfigMap, wantedEnv, wantedLabel, wantedVolume } from './wanted.js';

/** What only the user or the installation knows: `tandem.dev/options: NAME=VALUE`, and `--options` for a whole cluster. */
const option = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][-a-z0-9]*$', maxLength: 40 }),
    title: text(),
    /** Values that may be chosen; any when absent. */
    values: Type.Optional(Type.Array(text(), { minItems: 1 })),
    /** What a value must match, where they cannot be listed. */
    pattern: Type.Optional(regularExpression()),
  },
  closed,
);

const countsByValue = () => Type.Record(Type.String(), Type.Array(count(), { minItems: 1 }));

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
    /** The same for one kind of node, where the pod selects its node by a label or an option makes it: value → engine → image. */
    imagesBy: Type.Optional(
      Type.Object(
        {
          label: text(),
          option: text(),
          images: Type.Record(Type.String(), Type.Record(Type.String(), text())),
        },
        closed,
      ),
    ),
    /** Devices a pod may ask for; any number when absent. */
    allowedCounts: Type.Optional(Type.Array(count(), { minItems: 1 })),
    /** The same, sharper, where the pod selects its node by a label: value of the label → devices a pod may ask for there. */
    allowedCountsBy: Type.Optional(
      Type.Object(
        {
          label: text(),
          counts: countsByValue(),
          /** More numbers, where a group is one pod. */
          alone: Type.Optional(countsByValue()),
          /** With this annotation a pod takes a whole node: the largest of the numbers. */
          wholeNodeWith: Type.Optional(text()),
        },
        closed,
      ),
    ),
    options: Type.Optional(Type.Array(option)),
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
    configMaps: Type.Optional(Type.Array(wantedConfigMap)),
    labels: Type.Optional(Type.Array(wantedLabel)),
    annotations: Type.Optional(Type.Array(wantedLabel)),
    nodeSelector: Type.Optional(Type.Array(wantedLabel)),
  },
  closed,
);
