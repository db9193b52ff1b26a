import Type from 'typebox';
import { closed, heading, regularExpression, text } from './values.js';

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
