import { RawJson } from '../spliced-body.js';
import { type Dialect, oneTokenNoStream } from './dialect.js';

/** Two plain calls: KV travels by itself, through a shared store (LMCache, AscendStore, shared storage). pd-protocols A.5-A.7 */
export const twoStep: Dialect = {
  name: 'two-step',
  order: 'prefill-then-decode',
  prefill: (request) => request.with(oneTokenNoStream),
  linksLegs: false,
  handover: () => ({ value: new RawJson('null'), repairs: [] }),
  decode: (request) => request,
  whenClientLeaves: { 'during-prefill': 'abort', 'between-legs': 'abort', 'during-decode': 'abort' },
};
