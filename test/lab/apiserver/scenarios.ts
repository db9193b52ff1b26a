/** What a client can see of an API server, as scenarios that run alike against the lab and against kube-apiserver. */
import { admission } from './scenarios/admission.js';
import { apply, applyCustomResources } from './scenarios/apply.js';
import { customResources, statusAndScale } from './scenarios/custom-resources.js';
import { namespaces, owners } from './scenarios/deletion.js';
import { discovery } from './scenarios/discovery.js';
import { lists, watches } from './scenarios/lists.js';
import { badRequests, objects } from './scenarios/objects.js';
import { patches } from './scenarios/patches.js';
import { podBinding, podDefaults, podValidation } from './scenarios/pods.js';
import { servicesAndSecrets } from './scenarios/services.js';
import type { Scenario } from './transcript.js';

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [
  objects,
  badRequests,
  podDefaults,
  podValidation,
  podBinding,
  servicesAndSecrets,
  patches,
  lists,
  watches,
  customResources,
  statusAndScale,
  apply,
  applyCustomResources,
  owners,
  namespaces,
  admission,
  discovery,
];
