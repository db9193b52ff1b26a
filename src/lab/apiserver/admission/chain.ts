import type { Obj } from '../object.js';
import type { Attributes } from './attributes.js';

export interface AdmissionChain {
  mutate(attributes: Attributes & { object: Obj }, decode: (changed: unknown) => Obj): Promise<Obj>;
  validate(attributes: Attributes): Promise<void>;
  validateDelete(attributes: Attributes): Promise<void>;
}
