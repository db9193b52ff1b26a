/** What a request is about, and what its handler works on. */
import type { ApiContext } from './context.js';
import type { Continuations } from './read.js';
import type { ResourceType } from './resource-type.js';

export interface Target {
  readonly type: ResourceType;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

export interface Handlers {
  readonly ctx: ApiContext;
  readonly continuations: Continuations;
  /** Ends every watch when the server stops. */
  readonly signal: AbortSignal;
}
