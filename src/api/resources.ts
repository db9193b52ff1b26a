import { apiVersion, networkingGroup, workloadGroup } from './names.js';

/** Where our three kinds live; the shape is that of `Resource` in `src/kube`. */
export const modelServings = {
  group: workloadGroup,
  version: apiVersion,
  plural: 'modelservings',
  kind: 'ModelServing',
  namespaced: true,
} as const;
export const modelServers = {
  group: networkingGroup,
  version: apiVersion,
  plural: 'modelservers',
  kind: 'ModelServer',
  namespaced: true,
} as const;
export const modelRoutes = {
  group: networkingGroup,
  version: apiVersion,
  plural: 'modelroutes',
  kind: 'ModelRoute',
  namespaced: true,
} as const;
