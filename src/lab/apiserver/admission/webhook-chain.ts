/**
 * Admission by webhooks in the API server's order: mutating ones by name of their configuration, each on what the one
 * before left, again when a later one changed the object and it asked for that; then all validating ones at once.
 */
import { randomUUID } from 'node:crypto';
import { describeError } from '../../../base/errors.js';
import type { Logger } from '../../../telemetry/log.js';
import { clone, dictOf, type Obj, same, textOf } from '../object.js';
import { jsonPatch } from '../patch/json-patch.js';
import { ApiError, internal } from '../status.js';
import type { Store } from '../store.js';
import type { Attributes } from './attributes.js';
import type { AdmissionChain } from './chain.js';
import { conditionsHold, isExempt, matches, reviewRequest, type Webhook, webhooksOf } from './matching.js';
import { type ResolveService, type Verdict, WebhookCaller } from './webhook-call.js';

export interface WebhookChainOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly resolveService: ResolveService | undefined;
}

type Decode = (changed: unknown) => Obj;

export class WebhookChain implements AdmissionChain {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #caller: WebhookCaller;

  constructor({ store, logger, signal, resolveService }: WebhookChainOptions) {
    this.#store = store;
    this.#logger = logger;
    this.#caller = new WebhookCaller(resolveService, signal);
  }

  close(): void {
    this.#caller.close();
  }

  async mutate(attributes: Attributes & { object: Obj }, decode: Decode): Promise<Obj> {
    const hooks = this.#matching('mutatingwebhookconfigurations', attributes);
    let object = attributes.object;
    /** What each webhook that wants to be called again has seen last. */
    const seen = new Map<Webhook, Obj>();
    for (const webhook of hooks) {
      object = await this.#mutateBy(webhook, attributes, object, decode);
      if (webhook.reinvocationPolicy === 'IfNeeded') seen.set(webhook, object);
    }
    for (const [webhook, last] of seen) {
      if (!same(last, object)) object = await this.#mutateBy(webhook, attributes, object, decode);
    }
    return object;
  }

  async validate(attributes: Attributes): Promise<void> {
    const hooks = this.#matching('validatingwebhookconfigurations', attributes);
    const verdicts = await Promise.allSettled(
      hooks.map((webhook) => this.#ask(webhook, attributes, attributes.object)),
    );
    for (const verdict of verdicts) if (verdict.status === 'rejected') throw verdict.reason;
  }

  /** A deletion has no object that could be mutated, but both kinds of webhooks may refuse it. */
  async validateDelete(attributes: Attributes): Promise<void> {
    for (const webhook of this.#matching('mutatingwebhookconfigurations', attributes)) {
      await this.#ask(webhook, attributes, undefined);
    }
    await this.validate(attributes);
  }

  #matching(
    plural: 'mutatingwebhookconfigurations' | 'validatingwebhookconfigurations',
    attributes: Attributes,
  ): Webhook[] {
    if (isExempt(attributes)) return [];
    return webhooksOf(this.#store, plural).filter((webhook) => matches(this.#store, webhook, attributes));
  }

  async #mutateBy(webhook: Webhook, attributes: Attributes, object: Obj, decode: Decode): Promise<Obj> {
    const verdict = await this.#ask(webhook, { ...attributes, object }, object);
    if (verdict === undefined || verdict.patch.length === 0) return object;
    try {
      return decode(jsonPatch(clone(object), verdict.patch));
    } catch (error) {
      // A patch that does not fit is the webhook's failure, whatever its failurePolicy.
      throw internal(`failed calling webhook ${JSON.stringify(webhook.name)}: ${describeError(error)}`);
    }
  }

  /** The verdict of a webhook that allows; undefined when it does not apply or failed and may be ignored. Throws on denial. */
  async #ask(webhook: Webhook, attributes: Attributes, object: Obj | undefined): Promise<Verdict | undefined> {
    let verdict: Verdict;
    try {
      if (!conditionsHold(webhook, attributes, reviewRequest(randomUUID(), attributes, object))) return undefined;
      verdict = await this.#caller.call(webhook, attributes, object);
    } catch (error) {
      const why = `failed calling webhook ${JSON.stringify(webhook.name)}: ${describeError(error)}`;
      if (webhook.failurePolicy !== 'Ignore') throw internal(why);
      this.#logger.warn({ webhook: webhook.name, why }, 'a webhook failed and is ignored, as its failurePolicy says');
      return undefined;
    }
    for (const warning of verdict.warnings) attributes.call.warn(warning);
    if (!verdict.allowed) throw denial(webhook, verdict);
    return verdict;
  }
}

const firstError = 400;

function denial({ name }: Webhook, { status }: Verdict): ApiError {
  const denied = `admission webhook ${JSON.stringify(name)} denied the request`;
  const explained = textOf(status['message']) || textOf(status['reason']);
  const code = typeof status['code'] === 'number' ? status['code'] : 0;
  return new ApiError(
    Math.max(code, firstError),
    textOf(status['reason']),
    explained === '' ? `${denied} without explanation` : `${denied}: ${explained}`,
    status['details'] === undefined ? undefined : dictOf(status['details']),
  );
}
