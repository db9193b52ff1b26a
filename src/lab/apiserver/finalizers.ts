/** Finalizers that the server itself sets and works off. */
export const foreground = 'foregroundDeletion';
export const orphan = 'orphan';
/** On a definition: its objects go first. */
export const definitionCleanup = 'customresourcecleanup.apiextensions.k8s.io';
