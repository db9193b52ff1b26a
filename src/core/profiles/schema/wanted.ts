/** What a profile wants in a pod: each piece with its reason, and when it applies. */
import Type from 'typebox';
import { closed, oneOrSeveral, place, regularExpression, side, text, texts } from './values.js';

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
        /** Only on nodes whose container runtime mounts the driver by itself (Ascend Docker Runtime), or only without it. */
        runtimeMounts: Type.Optional(Type.Boolean()),
        /** Only in pods that one of these schedulers places, stand-ins considered. */
        schedulers: Type.Optional(texts()),
        /** Only where the user or the installation chose one of these values of each option; an empty list means any. */
        options: Type.Optional(Type.Record(Type.String(), texts())),
      },
      closed,
    ),
  );
export const reasoned = { because: text(), source: Type.Optional(text()), when: when() };

export const wantedEnv = Type.Object(
  { name: text(), value: Type.Optional(Type.String()), fieldPath: Type.Optional(text()), ...reasoned },
  closed,
);
export const wantedVolume = Type.Object(
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
/** A ConfigMap that somebody else makes, as a folder of the engine container. */
export const wantedConfigMap = Type.Object({ name: text(), configMap: text(), mountPath: text(), ...reasoned }, closed);
/** A label, an annotation or a node selector. */
export const wantedLabel = Type.Object({ name: text(), value: text(), ...reasoned }, closed);
