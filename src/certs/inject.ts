import type { RawObject } from '../kube/client.js';

export interface WebhookEntry {
  readonly name: string;
  readonly clientConfig: { readonly caBundle?: string; readonly [other: string]: unknown };
  readonly [other: string]: unknown;
}

export interface WebhookConfiguration extends RawObject {
  readonly webhooks?: readonly WebhookEntry[];
}

/** The configuration with the bundle (PEM) in every webhook, base64 as the API wants it. */
export function withCaBundle<T extends WebhookConfiguration>(configuration: T, bundle: string): T {
  const caBundle = Buffer.from(bundle).toString('base64');
  return {
    ...configuration,
    webhooks: (configuration.webhooks ?? []).map((webhook) => ({
      ...webhook,
      clientConfig: { ...webhook.clientConfig, caBundle },
    })),
  };
}

/**
 * Whether someone changed what we own: true when any webhook or annotation of `wanted` is missing in `live` or differs in a
 * field that `wanted` names. Fields that only the server fills in do not count.
 */
export function isEdited(wanted: WebhookConfiguration, live: WebhookConfiguration | undefined): boolean {
  if (live === undefined || !covers(live.metadata.annotations ?? {}, wanted.metadata.annotations ?? {})) return true;
  const byName = new Map((live.webhooks ?? []).map((webhook) => [webhook.name, webhook]));
  return (wanted.webhooks ?? []).some((webhook) => !covers(byName.get(webhook.name), webhook));
}

function covers(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return Array.isArray(live) && live.length === wanted.length && wanted.every((item, i) => covers(live[i], item));
  }
  if (typeof wanted !== 'object' || wanted === null) return live === wanted;
  if (typeof live !== 'object' || live === null) return false;
  return Object.entries(wanted).every(([key, value]) => covers((live as Record<string, unknown>)[key], value));
}
