import type { EngineCore } from './core.js';
import type { Resolved } from './options.js';

/** Prometheus text with the recorded `vllm:` names. Histograms have count, sum and the `+Inf` bucket only. */
export function renderMetrics(core: EngineCore, options: Resolved): string {
  const lines: string[] = [];
  const model = `engine="0",model_name="${options.models[0] ?? ''}"`;
  const write = (kind: string, name: string, help: string, samples: readonly [labels: string, value: number][]) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    for (const [labels, value] of samples) lines.push(`${name}{${model}${labels}} ${value}`);
  };
  const gauge = (name: string, help: string, value: number) => write('gauge', name, help, [['', value]]);
  const counter = (name: string, help: string, value: number) => write('counter', name, help, [['', value]]);
  const histogram = (name: string, help: string, count: number, sum: number) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`);
    lines.push(`${name}_bucket{${model},le="+Inf"} ${count}`, `${name}_count{${model}} ${count}`);
    lines.push(`${name}_sum{${model}} ${sum}`);
  };
  const { counters, handovers, pool } = core;
  core.handovers.expire();
  gauge('vllm:num_requests_running', 'Number of requests in model execution batches.', core.running);
  gauge('vllm:num_requests_waiting', 'Number of requests waiting to be processed.', core.waiting);
  gauge('vllm:kv_cache_usage_perc', 'KV-cache usage. 1 means 100 percent usage.', pool.used / (pool.total - 1));
  counter('vllm:prompt_tokens_total', 'Number of prefill tokens processed.', sumOf(counters.promptTokens));
  write(
    'counter',
    'vllm:prompt_tokens_by_source_total',
    'Number of prompt tokens by source.',
    Object.entries(counters.promptTokens).map(([source, value]) => [`,source="${source}"`, value]),
  );
  counter('vllm:generation_tokens_total', 'Number of generation tokens processed.', counters.generationTokens);
  write(
    'counter',
    'vllm:request_success_total',
    'Count of successfully processed requests.',
    Object.entries(counters.finished).map(([reason, value]) => [`,finished_reason="${reason}"`, value]),
  );
  counter('vllm:prefix_cache_queries_total', 'Prefix cache queries, in tokens.', counters.prefixQueries);
  counter('vllm:prefix_cache_hits_total', 'Prefix cache hits, in tokens.', counters.prefixHits);
  counter('vllm:external_prefix_cache_queries_total', 'External cache queries, in tokens.', counters.externalQueries);
  counter('vllm:external_prefix_cache_hits_total', 'External cache hits, in tokens.', counters.externalHits);
  const finished = sumOf(counters.finished);
  histogram(
    'vllm:time_to_first_token_seconds',
    'Time to first token.',
    counters.firstTokens,
    counters.firstTokenSeconds,
  );
  histogram('vllm:e2e_request_latency_seconds', 'End to end latency.', finished, counters.endToEndSeconds);
  if (options.connector === 'nixl') {
    histogram('vllm:nixl_xfer_time_seconds', 'Transfer duration.', counters.transfers, counters.transferSeconds);
    histogram('vllm:nixl_num_descriptors', 'Descriptors per transfer.', counters.transfers, counters.transferredBlocks);
    counter('vllm:nixl_num_failed_transfers_total', 'Failed transfers, handshakes included.', counters.failedTransfers);
    counter('vllm:nixl_num_kv_expired_reqs_total', 'Requests whose KV expired on prefill.', handovers.expired);
    counter(
      'vllm:nixl_num_notifications_after_expiry_total',
      'Completion notifications for requests that were no longer tracked.',
      handovers.notificationsAfterExpiry,
    );
  }
  gauge('tandem_lab:kv_blocks_held', 'Blocks kept for decode to fetch (simulator only).', handovers.blocks);
  lines.push(
    '# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig',
    '# TYPE vllm:cache_config_info gauge',
    `vllm:cache_config_info{block_size="${options.blockSize}",engine="0",num_gpu_blocks="${options.blocks}"} 1.0`,
  );
  return `${lines.join('\n')}\n`;
}

const sumOf = (values: Readonly<Record<string, number>>): number => Object.values(values).reduce((a, b) => a + b, 0);
