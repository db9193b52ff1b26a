import type { EngineCore } from './core.js';
import type { Resolved } from './options.js';

/** Prometheus text with the recorded `vllm:` names. Histograms have count, sum and the `+Inf` bucket only. */
export function renderMetrics(core: EngineCore, options: Resolved): string {
  const text = new Exposition(options.models[0] ?? '');
  core.handovers.expire();
  load(text, core);
  tokens(text, core);
  if (options.connector === 'nixl') nixl(text, core);
  text.gauge('tandem_lab:kv_blocks_held', 'Blocks kept for decode to fetch (simulator only).', core.handovers.blocks);
  text.lines.push(
    '# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig',
    '# TYPE vllm:cache_config_info gauge',
    `vllm:cache_config_info{block_size="${options.blockSize}",engine="0",num_gpu_blocks="${options.blocks}"} 1.0`,
  );
  return `${text.lines.join('\n')}\n`;
}

function load(text: Exposition, { running, waiting, pool, counters }: EngineCore): void {
  text.gauge('vllm:num_requests_running', 'Number of requests in model execution batches.', running);
  text.gauge('vllm:num_requests_waiting', 'Number of requests waiting to be processed.', waiting);
  text.gauge('vllm:kv_cache_usage_perc', 'KV-cache usage. 1 means 100 percent usage.', pool.used / (pool.total - 1));
  text.counters('vllm:request_success_total', 'Count of successfully processed requests.', 'finished_reason', {
    ...counters.finished,
  });
  const finished = sumOf({ ...counters.finished });
  const { firstTokens, firstTokenSeconds, endToEndSeconds } = counters;
  text.histogram('vllm:time_to_first_token_seconds', 'Time to first token.', firstTokens, firstTokenSeconds);
  text.histogram('vllm:e2e_request_latency_seconds', 'End to end latency.', finished, endToEndSeconds);
}

function tokens(text: Exposition, { counters }: EngineCore): void {
  text.counter('vllm:prompt_tokens_total', 'Number of prefill tokens processed.', sumOf(counters.promptTokens));
  const bySource = 'vllm:prompt_tokens_by_source_total';
  text.counters(bySource, 'Number of prompt tokens by source.', 'source', counters.promptTokens);
  text.counter('vllm:generation_tokens_total', 'Number of generation tokens processed.', counters.generationTokens);
  text.counter('vllm:prefix_cache_queries_total', 'Prefix cache queries, in tokens.', counters.prefixQueries);
  text.counter('vllm:prefix_cache_hits_total', 'Prefix cache hits, in tokens.', counters.prefixHits);
  const external = 'vllm:external_prefix_cache';
  text.counter(`${external}_queries_total`, 'External cache queries, in tokens.', counters.externalQueries);
  text.counter(`${external}_hits_total`, 'External cache hits, in tokens.', counters.externalHits);
}

function nixl(text: Exposition, { counters, handovers }: EngineCore): void {
  const { transfers, transferSeconds, transferredBlocks, failedTransfers } = counters;
  text.histogram('vllm:nixl_xfer_time_seconds', 'Transfer duration.', transfers, transferSeconds);
  text.histogram('vllm:nixl_num_descriptors', 'Descriptors per transfer.', transfers, transferredBlocks);
  text.counter('vllm:nixl_num_failed_transfers_total', 'Failed transfers, handshakes included.', failedTransfers);
  text.counter('vllm:nixl_num_kv_expired_reqs_total', 'Requests whose KV expired on prefill.', handovers.expired);
  text.counter(
    'vllm:nixl_num_notifications_after_expiry_total',
    'Completion notifications for requests that were no longer tracked.',
    handovers.notificationsAfterExpiry,
  );
}

class Exposition {
  readonly lines: string[] = [];
  readonly #labels: string;

  constructor(model: string) {
    this.#labels = `engine="0",model_name="${model}"`;
  }

  gauge(name: string, help: string, value: number): void {
    this.#header('gauge', name, help);
    this.lines.push(`${name}{${this.#labels}} ${value}`);
  }

  counter(name: string, help: string, value: number): void {
    this.#header('counter', name, help);
    this.lines.push(`${name}{${this.#labels}} ${value}`);
  }

  counters(name: string, help: string, label: string, values: Readonly<Record<string, number>>): void {
    this.#header('counter', name, help);
    for (const [key, value] of Object.entries(values)) {
      this.lines.push(`${name}{${this.#labels},${label}="${key}"} ${value}`);
    }
  }

  histogram(name: string, help: string, count: number, sum: number): void {
    this.#header('histogram', name, help);
    this.lines.push(`${name}_bucket{${this.#labels},le="+Inf"} ${count}`, `${name}_count{${this.#labels}} ${count}`);
    this.lines.push(`${name}_sum{${this.#labels}} ${sum}`);
  }

  #header(kind: string, name: string, help: string): void {
    this.lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
  }
}

const sumOf = (values: Readonly<Record<string, number>>): number => Object.values(values).reduce((a, b) => a + b, 0);
