import type { AcceleratorProfile, When } from './types.js';

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

interface Wish {
  readonly when?: When;
}

const lists = ['env', 'volumes', 'configMaps', 'labels', 'annotations', 'nodeSelector'] as const;

/**
 * What an accelerator profile wants may depend on its own options only, and use the value only of one that it depends on:
 * else a condition never holds, or a placeholder stays in the pod as text.
 */
export function* optionReferences(profile: AcceleratorProfile): Iterable<Problem> {
  const declared = new Map((profile.options ?? []).map(({ name, values }) => [name, values]));
  for (const list of lists) {
    for (const [index, wish] of (profile[list] ?? []).entries()) {
      yield* wrongConditions(wish, [list, index], declared);
      yield* wrongPlaceholders(wish, [list, index]);
    }
  }
}

type Declared = ReadonlyMap<string, readonly string[] | undefined>;

function* wrongConditions({ when }: Wish, at: Problem['path'], declared: Declared): Iterable<Problem> {
  for (const [name, values] of Object.entries(when?.options ?? {})) {
    const path = [...at, 'when', 'options', name];
    if (!declared.has(name)) yield { path, message: `the profile has no option "${name}"; declare it in options` };
    const other = values.find((value) => declared.get(name)?.includes(value) === false);
    if (other !== undefined) yield { path, message: `the option has no value "${other}"; correct it` };
  }
}

function* wrongPlaceholders(wish: Wish, path: Problem['path']): Iterable<Problem> {
  const usable = Object.keys(wish.when?.options ?? {});
  for (const [, name = ''] of JSON.stringify(wish).matchAll(/\{option:([^}]*)\}/g)) {
    if (usable.includes(name)) continue;
    yield { path, message: `uses {option:${name}}; add options: { ${name}: [] } to its when` };
  }
}
