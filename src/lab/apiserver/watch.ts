/**
 * Watches: what happened since a revision, then what happens, filtered by selectors, with bookmarks. An object that
 * stops matching is told as deleted and one that starts matching as added, as the real server's watch cache does.
 */
import type { ApiContext } from './context.js';
import type { Obj } from './object.js';
import { parseVersion } from './read.js';
import { present, type ResourceType } from './resource-type.js';
import { assertFields, type Selects, selection } from './selectors.js';
import type { ChangeType, StoreChange } from './store.js';

export interface WatchEvent {
  readonly type: ChangeType | 'BOOKMARK';
  readonly object: Obj;
}

export interface WatchRequest {
  readonly type: ResourceType;
  readonly namespace?: string;
  readonly query: URLSearchParams;
}

export interface Watch {
  /** Events that are due at once; afterwards `listener` is called for each. */
  readonly initial: readonly WatchEvent[];
  start(listener: (event: WatchEvent) => void): () => void;
  /** A bookmark of the current revision; undefined when the request did not ask for bookmarks. */
  bookmark(): WatchEvent | undefined;
}

/** Opens a watch. Throws 410 when the asked revision is no longer held. */
export function openWatch(ctx: ApiContext, { type, namespace, query }: WatchRequest): Watch {
  assertFields(type, query);
  const view = new View(type, namespace, selection(type, query));
  const wantsBookmarks = query.get('allowWatchBookmarks') === 'true';
  const initial = initialEvents(ctx, view, query);
  return {
    initial,
    start: (listener) =>
      ctx.store.subscribe((change) => {
        const event = view.event(change);
        if (event !== undefined) listener(event);
      }),
    bookmark: () => (wantsBookmarks ? view.bookmark(ctx.store.revision) : undefined),
  };
}

function initialEvents(ctx: ApiContext, view: View, query: URLSearchParams): WatchEvent[] {
  const asked = query.get('resourceVersion') ?? '';
  const sends = query.get('sendInitialEvents');
  const replays = asked !== '' && asked !== '0' && sends !== 'true';
  if (replays)
    return ctx.store.since(parseVersion(asked), view.type.bucket).flatMap((change) => view.event(change) ?? []);
  if (sends === 'false') return [];
  const state = view.state(ctx.store.list(view.type.bucket, view.namespace));
  return sends === 'true' ? [...state, view.bookmark(ctx.store.revision, true)] : state;
}

class View {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly #selects: Selects | undefined;

  constructor(type: ResourceType, namespace: string | undefined, selects: Selects | undefined) {
    this.type = type;
    this.namespace = namespace;
    this.#selects = selects;
  }

  state(objects: readonly Obj[]): WatchEvent[] {
    return objects
      .filter((object) => this.#sees(object))
      .map((object) => ({ type: 'ADDED', object: present(this.type, object) }));
  }

  event(change: StoreChange): WatchEvent | undefined {
    if (change.bucket !== this.type.bucket) return undefined;
    const isSeen = this.#sees(change.object);
    const wasSeen = change.old !== undefined && this.#sees(change.old);
    if (change.type === 'DELETED') return wasSeen ? this.#make('DELETED', change.object) : undefined;
    if (isSeen) return this.#make(wasSeen ? 'MODIFIED' : 'ADDED', change.object);
    if (!wasSeen || change.old === undefined) return undefined;
    const { resourceVersion } = change.object.metadata;
    return this.#make('DELETED', {
      ...change.old,
      metadata: { ...change.old.metadata, ...(resourceVersion !== undefined && { resourceVersion }) },
    });
  }

  bookmark(revision: number, endsInitial = false): WatchEvent {
    const { apiVersion, kind } = present(this.type, {
      apiVersion: '',
      kind: this.type.kind,
      metadata: { name: '', uid: '' },
    });
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(endsInitial && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
    };
    return { type: 'BOOKMARK', object: { apiVersion, kind, metadata } as unknown as Obj };
  }

  #make(type: ChangeType, object: Obj): WatchEvent {
    return { type, object: present(this.type, object) };
  }

  #sees(object: Obj): boolean {
    if (this.namespace !== undefined && object.metadata.namespace !== this.namespace) return false;
    return this.#selects?.(object) ?? true;
  }
}
