/** Small edits of the example servings, in the words of the manifests. */
import { both, type Draft, type Edit, type RoleDraft } from './example.js';

export const decode =
  (edit: (role: RoleDraft) => unknown): Edit =>
  ({ decode: d }: Draft) =>
    edit(d);
export const prefill =
  (edit: (role: RoleDraft) => unknown): Edit =>
  ({ prefill: p }: Draft) =>
    edit(p);
export const spec =
  (more: object): Edit =>
  (d) =>
    Object.assign(d.spec, more);
export const limits = (more: object) => (r: RoleDraft) => {
  r.container['resources'] = { ...(r.container['resources'] as object), limits: more };
};
export const twice = spec({ replicas: 2 });
export const replaced = (flags: RoleDraft['flags']) => (r: RoleDraft) => Object.assign(r.flags, flags);
export const env = (more: object) => (r: RoleDraft) => Object.assign(r.env, more);
export const config = (more: object) => (r: RoleDraft) => Object.assign(r.config ?? {}, more);
export const onHost = (r: RoleDraft) => Object.assign(r.pod, { hostNetwork: true });
export const probing = (more: object) => (r: RoleDraft) => Object.assign(r.container, more);
export const roles = (more: object) => both((r) => Object.assign(r.role, more));
/** One worker that runs the engine of the entry pod, but for what is given. */
export const staffed =
  (container: object, flags: readonly string[] = []) =>
  (r: RoleDraft) => {
    const { image, command } = r;
    const args = Object.entries(r.flags).flatMap(([name, value]) => [`--${name}`, ...(value === true ? [] : [value])]);
    const worker = { ...r.container, name: 'engine', image, ...(command && { command }), args: [...args, ...flags] };
    const workerTemplate = { spec: { ...r.pod, containers: [{ ...worker, ...container }] } };
    return Object.assign(r.role, { workerReplicas: 1, workerTemplate });
  };
export const annotated =
  (annotations: object): Edit =>
  (d) =>
    Object.assign(d.metadata, { annotations });
export const lmcache = both((r) => {
  r.config = { kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_both' };
});
export const lmcachePd: Edit = ({ prefill: p, decode: d }) => {
  p.config = { kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_producer' };
  d.config = { kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_consumer' };
  for (const r of [p, d]) Object.assign(r.extra, { discard_partial_chunks: false });
};
export const waiting = prefill((r) => Object.assign(r.pod, { initContainers: [{ name: 'wait', image: 'busybox' }] }));
export const connector = (name: string) => both(config({ kv_connector: name }));
