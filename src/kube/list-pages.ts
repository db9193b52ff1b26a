import type { KubeClient, ListOptions, RawObject } from './client.js';
import { isGone } from './kube-error.js';
import { query } from './query.js';
import { pathOf, type Resource } from './resources.js';

interface Page<T> {
  readonly items?: readonly T[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

const pageSize = '500';

/** A whole list, page by page, each item passed through `project` as it arrives; the version is where a watch continues. */
export async function listAll<T extends RawObject>(
  client: Pick<KubeClient, 'request'>,
  resource: Resource,
  options: ListOptions,
  project: (object: T) => T = (object) => object,
): Promise<{ items: readonly T[]; resourceVersion: string }> {
  try {
    return await collect(client, resource, options, project, pageSize);
  } catch (error) {
    // The continue token expired between two pages; only one request for everything is consistent then.
    if (isGone(error)) return collect(client, resource, options, project, undefined);
    throw error;
  }
}

async function collect<T extends RawObject>(
  client: Pick<KubeClient, 'request'>,
  resource: Resource,
  options: ListOptions,
  project: (object: T) => T,
  limit: string | undefined,
): Promise<{ items: readonly T[]; resourceVersion: string }> {
  const { namespace, labelSelector, fieldSelector } = options;
  const path = pathOf(resource, namespace === undefined ? {} : { namespace });
  const items: T[] = [];
  let next: string | undefined;
  for (;;) {
    const search = query({ labelSelector, fieldSelector, limit, continue: next });
    const page = await client.request<Page<T>>('GET', path + search);
    for (const item of page.items ?? []) items.push(project(item));
    next = page.metadata?.continue || undefined;
    if (next === undefined) return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
  }
}
