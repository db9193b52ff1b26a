import type { Recipe } from './recipe.js';
import { sglangRecipes } from './sglang-recipes.js';
import { vllmAscendRecipes } from './vllm-ascend-recipes.js';
import { vllmRecipes } from './vllm-recipes.js';

/**
 * One recipe for every engine, connector and accelerator that pd-protocols B puts together, and for every way to spread them
 * over pods. Every file `test/fixtures/expand/recipes/NAME.yaml` was read line by line against the sections that its recipe names.
 */
export const recipes: Readonly<Record<string, Recipe>> = { ...vllmRecipes, ...vllmAscendRecipes, ...sglangRecipes };
