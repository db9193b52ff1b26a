import Type from 'typebox';
import { closed, oneOrSeveral, place, side, text } from './values.js';

/** An argument of the engine's command line that the terse form writes. */
export const terseArgument = Type.Object(
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
