/** Which strategy a built-in kind has; a kind without one is stored as it comes. */

import { definitionStrategy } from '../crd/strategy.js';
import type { Strategy } from '../resource-type.js';
import { eventStrategy } from './event.js';
import { namespaceStrategy } from './namespace.js';
import { nodeStrategy } from './node.js';
import { podStrategy } from './pod.js';
import { secretStrategy } from './secret.js';
import { serviceStrategy } from './service.js';
import { webhookConfigurationStrategy } from './webhook-configuration.js';

const plain: Strategy = { allowUnconditionalUpdate: true };
const counted: Strategy = { ...plain, generation: true };

const strategies: Readonly<Record<string, Strategy>> = {
  '/Event': eventStrategy,
  'events.k8s.io/Event': eventStrategy,
  '/Namespace': namespaceStrategy,
  '/Node': nodeStrategy,
  '/Pod': podStrategy,
  '/Secret': secretStrategy,
  '/Service': serviceStrategy,
  '/Binding': { virtual: true },
  'authentication.k8s.io/SelfSubjectReview': { virtual: true },
  'authorization.k8s.io/SelfSubjectAccessReview': { virtual: true },
  'authorization.k8s.io/SelfSubjectRulesReview': { virtual: true },
  'apiextensions.k8s.io/CustomResourceDefinition': definitionStrategy,
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': webhookConfigurationStrategy,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': webhookConfigurationStrategy,
  'coordination.k8s.io/Lease': { allowCreateOnUpdate: true },
  'discovery.k8s.io/EndpointSlice': counted,
  'policy/PodDisruptionBudget': { generation: true },
};

export const strategyOf = (group: string, kind: string): Strategy => strategies[`${group}/${kind}`] ?? plain;
