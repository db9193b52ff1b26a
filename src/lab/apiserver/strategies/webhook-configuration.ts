/** Webhook configurations: the defaults of admissionregistration v1 and the fields without which no call can be made. */

import { compileCel } from '../crd/cel/evaluate.js';
import { CelSyntaxError } from '../crd/cel/parse.js';
import { duplicate, type FieldError, invalid, notSupported, required } from '../field-error.js';
import { type Dict, dictOf, isDict, listOf, numberOf, type Obj, textOf } from '../object.js';
import type { Strategy } from '../resource-type.js';
import { each, fill } from './defaulting.js';

export const webhookConfigurationStrategy: Strategy = {
  generation: true,
  defaults(configuration) {
    each(configuration['webhooks'], (webhook) => {
      fill(webhook, {
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        timeoutSeconds: 10,
      });
      if (configuration.kind === 'MutatingWebhookConfiguration') fill(webhook, { reinvocationPolicy: 'Never' });
      fill(dictOf(webhook['clientConfig'])['service'], { port: 443 });
      each(webhook['rules'], (rule) => fill(rule, { scope: '*' }));
    });
  },
  validate: (configuration: Obj) => [...configurationErrors(configuration)],
};

function* configurationErrors(configuration: Obj): Generator<FieldError> {
  const names = new Set<string>();
  for (const [index, webhook] of listOf(configuration['webhooks']).filter(isDict).entries()) {
    const at = `webhooks[${index}]`;
    const name = textOf(webhook['name']);
    if (name === '') yield required(`${at}.name`);
    else if (name.split('.').length < 3) {
      yield invalid(`${at}.name`, name, 'should be a domain with at least three segments separated by dots');
    }
    if (names.has(name)) yield duplicate(`${at}.name`, name);
    names.add(name);
    yield* webhookErrors(webhook, at);
    yield* conditionErrors(webhook, at);
  }
}

function* webhookErrors(webhook: Dict, at: string): Generator<FieldError> {
  const versions = listOf(webhook['admissionReviewVersions']);
  if (versions.length === 0) yield required(`${at}.admissionReviewVersions`, 'must specify one of v1, v1beta1');
  else if (!versions.includes('v1') && !versions.includes('v1beta1')) {
    yield invalid(`${at}.admissionReviewVersions`, versions, 'must include at least one of v1, v1beta1');
  }
  const effects = textOf(webhook['sideEffects']);
  if (effects === '') yield required(`${at}.sideEffects`, 'must specify one of None, NoneOnDryRun');
  else if (!sideEffects.includes(effects)) yield notSupported(`${at}.sideEffects`, effects, sideEffects);
  const seconds = numberOf(webhook['timeoutSeconds']) ?? 10;
  if (seconds < 1 || seconds > 30) {
    yield invalid(`${at}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds');
  }
  const policy = textOf(webhook['failurePolicy']);
  if (!policies.includes(policy)) yield notSupported(`${at}.failurePolicy`, policy, policies);
  yield* destinationErrors(dictOf(webhook['clientConfig']), `${at}.clientConfig`);
}

const sideEffects = ['None', 'NoneOnDryRun'];
const policies = ['Fail', 'Ignore'];

function* destinationErrors({ url, service }: Dict, at: string): Generator<FieldError> {
  if ((url === undefined) === (service === undefined)) {
    yield required(at, 'exactly one of url or service is required');
  }
  if (url !== undefined && !textOf(url).startsWith('https://')) {
    yield invalid(`${at}.url`, url, "'https' is the only allowed URL scheme; desired format: https://host[/path]");
  }
}

/** Conditions that this server cannot evaluate are refused when they are written, never skipped. */
function* conditionErrors(webhook: Dict, at: string): Generator<FieldError> {
  for (const [index, condition] of listOf(webhook['matchConditions']).filter(isDict).entries()) {
    try {
      compileCel(textOf(condition['expression']));
    } catch (error) {
      if (!(error instanceof CelSyntaxError)) throw error;
      yield invalid(`${at}.matchConditions[${index}].expression`, condition['expression'], error.message);
    }
  }
}
