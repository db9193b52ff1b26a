/** What the write path asks before it stores anything. */
import type { Obj } from '../object.js';
import type { Attributes } from './attributes.js';

export interface AdmissionChain {
  /** The object as the webhooks want it; `decode` reads each changed version. Throws the refusal of one of them. */
  mutate(attributes: Attributes & { object: Obj }, decode: (changed: unknown) => Obj): Promise<Obj>;
  validate(attributes: Attributes): Promise<void>;
  validateDelete(attributes: Attributes): Promise<void>;
}
