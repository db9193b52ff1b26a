/** What admission is asked about: one write, as `admission.Attributes` of the real server. */
import type { Call } from '../call.js';
import type { Obj } from '../object.js';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface Attributes {
  readonly call: Call;
  readonly operation: Operation;
  /** The kind of `object`: that of the resource, or of the subresource's body (Binding, Scale). */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  /** Absent for DELETE. */
  readonly object?: Obj;
  readonly oldObject?: Obj;
  readonly options?: Readonly<Record<string, unknown>>;
}
