import type { Slot } from '../../api/names.js';
import type { Instant } from '../../base/clock.js';
import type { Revision } from './desired.js';
import type { ExpansionInputs } from './expansion-inputs.js';
import type { ChildKind } from './observed.js';

/**
 * Why a pod is deleted: it ended or crashes; a peer of its instance or group was lost; there are more than wanted;
 * its template is outdated; its role or index is not in the template.
 */
export type DeletionReason = 'broken' | 'peer-lost' | 'scale-down' | 'outdated' | 'not-in-template';

/** One thing to do. The executor knows the API and no policy. */
export type Step =
  | { readonly do: 'adopt'; readonly kind: ChildKind; readonly name: string; readonly uid: string }
  | { readonly do: 'create-revision'; readonly revision: Revision }
  | {
      readonly do: 'record-inputs';
      readonly name: string;
      readonly uid: string;
      readonly inputs: NonNullable<ExpansionInputs>;
    }
  | { readonly do: 'delete-revision'; readonly name: string; readonly uid: string }
  | { readonly do: 'create-pod-group'; readonly group: number; readonly revision: Revision }
  | { readonly do: 'update-pod-group'; readonly group: number; readonly revision: Revision }
  | { readonly do: 'delete-pod-group'; readonly name: string; readonly uid: string }
  | { readonly do: 'create-pod'; readonly slot: Slot; readonly revision: Revision }
  | DeletePod
  | { readonly do: 'create-service'; readonly slot: Slot }
  | { readonly do: 'delete-service'; readonly name: string; readonly uid: string }
  | { readonly do: 'report'; readonly reason: string; readonly message: string }
  | { readonly do: 'wait'; readonly for: string; readonly until?: Instant };

export interface DeletePod {
  readonly do: 'delete-pod';
  readonly name: string;
  readonly uid: string;
  readonly because: DeletionReason;
}
