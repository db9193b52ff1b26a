import Type from 'typebox';
import { closed, count, heading, regularExpression, text, texts } from './values.js';

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
