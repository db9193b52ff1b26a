import type { ApiContext } from './call.js';

export function startCollector(_ctx: ApiContext): { stop(): Promise<void> } {
  return { stop: () => Promise.resolve() };
}
