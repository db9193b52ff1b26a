import type { ConnectorName, Resolved } from './options.js';

/** What a prefill engine knows when it writes the hand-over. */
export interface HandoverFacts {
  readonly options: Resolved;
  readonly requestId: string;
  readonly blockIds: readonly number[];
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly cachedTokens: number;
  readonly lastToken: number;
}

/** A connector of the pull family: prefill keeps blocks and says where, decode fetches them. */
export interface PullConnector {
  /** Keys without which decode cannot fetch, and what the engine does when one is missing. */
  readonly required: readonly string[];
  readonly whenIncomplete: 'die' | 'recompute';
  /** A missing `remote_request_id` leaves the request waiting for a transfer that never starts. */
  readonly hangsWithoutRequestId: boolean;
  readonly finishes: readonly string[];
  handover(facts: HandoverFacts): Record<string, unknown>;
}

/** NIXL pull as recorded from vLLM 0.32.0; pd-protocols A.1. */
const nixl: PullConnector = {
  required: ['remote_block_ids', 'remote_engine_id', 'remote_host', 'remote_port'],
  whenIncomplete: 'die',
  hangsWithoutRequestId: true,
  finishes: ['length', 'stop'],
  handover: ({ options, requestId, blockIds, promptTokens, generatedTokens, cachedTokens }) => ({
    do_remote_prefill: true,
    do_remote_decode: false,
    remote_block_ids: [blockIds],
    remote_engine_id: options.engineId,
    remote_request_id: requestId,
    remote_host: options.advertisedHost,
    remote_port: options.sideChannelPort,
    tp_size: options.tensorParallel,
    dcp_size: 1,
    pp_size: 1,
    remote_num_tokens: promptTokens + generatedTokens - 1,
    remote_blocks_expiry_time: null,
    transfer_mode: 'pull',
    ...(generatedTokens === 1 ? { remote_prefill_cached_tokens: cachedTokens } : {}),
  }),
};

/** MooncakeConnectorV1 of vllm-ascend; pd-protocols A.3. No recording: key names and order follow that page. */
const mooncakeV1: PullConnector = {
  required: ['remote_engine_id', 'remote_host', 'remote_port', 'remote_block_ids', 'remote_request_id'],
  whenIncomplete: 'recompute',
  hangsWithoutRequestId: false,
  finishes: ['length'],
  handover: ({ options, requestId, blockIds, promptTokens, lastToken }) => ({
    do_remote_prefill: true,
    do_remote_decode: false,
    remote_block_ids: blockIds,
    remote_engine_id: options.engineId,
    remote_request_id: requestId,
    remote_host: options.advertisedHost,
    remote_port: options.sideChannelPort,
    remote_pcp_size: 1,
    remote_dcp_size: 1,
    remote_ptp_size: options.tensorParallel,
    last_token_id: lastToken,
    remote_multi_nodes_meta_mapping: { '0': { host: options.advertisedHost, engine_id: options.engineId } },
    num_prompt_blocks: Math.ceil(promptTokens / options.blockSize),
    remote_block_size: options.blockSize,
  }),
};

export const connectors: Record<ConnectorName, PullConnector> = { nixl, 'mooncake-v1': mooncakeV1 };

/** Block ids of a hand-over: one list, or one per KV-cache group; undefined when they are not integers. */
export function blockIdsOf(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const flat: unknown[] = value.flat();
  return flat.every((id): id is number => Number.isInteger(id)) ? flat : undefined;
}
