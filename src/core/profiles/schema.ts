/**
 * What a profile file may say. One schema validates `config/profiles/*.yaml` and gives the types of `types.ts`.
 *
 * Texts may hold placeholders in braces, filled by the expansion of the terse form: `{model}` (as said), `{modelId}` (without its scheme), `{modelName}` (its last part),
 * `{modelPath}`, `{servedName}`, `{port}`, `{tensorParallel}`, `{dataParallel}`, `{side}`, `{kvTransferConfig}`,
 * `{prefill.tensorParallel}`, `{prefill.pipelineParallel}`, `{prefill.dataParallel}`, and the same of `{decode...}`. A text that
 * is one placeholder of a number becomes that number inside a JSON skeleton. In roles of several pods `{pods}` is their
 * number, `{dataParallelLocal}` the data-parallel ranks of one pod, `{startRank}` the first rank of a worker pod. In what
 * an accelerator wants, `{resource}` is the resource that the pod asks for and `{option:NAME}` the value of an option.
 */
import { acceleratorSchema } from './schema/accelerator.js';
import { connectorSchema } from './schema/connector.js';
import { engineSchema } from './schema/engine.js';
import { modelsSchema } from './schema/models.js';
import { networkSchema } from './schema/network.js';

export const profileSchemas = {
  accelerator: acceleratorSchema,
  engine: engineSchema,
  connector: connectorSchema,
  models: modelsSchema,
  network: networkSchema,
} as const;
