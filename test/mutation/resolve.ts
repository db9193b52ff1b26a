/** Module resolution of the mutation runs: `tap` is the stand-in of this folder, and a generation of modules stays together. */
import type { ResolveHook } from 'node:module';

const standIn = new URL('./tap.js', import.meta.url).href;

/**
 * A module that is imported as `…?generation=N` imports its own modules as that generation too, so that all of them are
 * evaluated anew; packages stay as they are.
 */
export const resolve: ResolveHook = async (specifier, context, next) => {
  if (specifier === 'tap') return { url: standIn, shortCircuit: true };
  const resolved = await next(specifier, context);
  const generation = /\?generation=\d+$/.exec(context.parentURL ?? '')?.[0];
  const isOurs = resolved.url.startsWith('file:') && !resolved.url.includes('/node_modules/');
  return generation !== undefined && isOurs ? { ...resolved, url: resolved.url + generation } : resolved;
};
