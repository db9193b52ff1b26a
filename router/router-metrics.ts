import type { Pair } from '../src/core/pairing/choose-pair.js';
import { nearestLevel } from '../src/core/placement/topology.js';
import type { Counter, Gauge, Histogram, Metrics } from '../src/telemetry/metrics.js';
import type { Job, LegRecord } from './job.js';

const seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** Gauges that are read when they are asked for. */
export function addGauges(metrics: Metrics, inFlight: () => number, connections: () => number): void {
  metrics.gauge('tandem_router_requests_in_flight', 'Requests being served', [], (gauge) => gauge.set(inFlight()));
  metrics.gauge('tandem_router_engine_connections', 'Connections to engines', [], (gauge) => gauge.set(connections()));
}

/** The router's metrics. Label values come from our own objects and short lists, so their number is bounded. */
export class RouterMetrics {
  readonly #requests: Counter<'model' | 'status'>;
  readonly #duration: Histogram<'model'>;
  readonly #legs: Counter<'leg' | 'outcome'>;
  readonly #legDuration: Histogram<'leg'>;
  readonly #pairs: Counter<'level'>;
  readonly #fallbacks: Counter<'kind'>;
  readonly #repairs: Counter<'what'>;
  readonly #plain: Counter<'reason'>;
  readonly #tokens: Counter<'model' | 'kind'>;
  readonly #inferred: Gauge<'model_server' | 'dialect' | 'from'>;

  constructor(metrics: Metrics) {
    this.#requests = metrics.counter('tandem_router_requests_total', 'Requests by model and answered status', [
      'model',
      'status',
    ]);
    this.#duration = metrics.histogram(
      'tandem_router_request_seconds',
      'From request to end of answer',
      ['model'],
      seconds,
    );
    this.#legs = metrics.counter('tandem_router_legs_total', 'Calls to engines by leg and outcome', ['leg', 'outcome']);
    this.#legDuration = metrics.histogram(
      'tandem_router_leg_seconds',
      'Calls to engines, until their answer was complete',
      ['leg'],
      seconds,
    );
    this.#pairs = metrics.counter('tandem_router_pairs_total', 'Pairs served, by the nearest level both pods share', [
      'level',
    ]);
    this.#fallbacks = metrics.counter(
      'tandem_router_fallbacks_total',
      'Requests that a pair could not serve, by what was done',
      ['kind'],
    );
    this.#repairs = metrics.counter('tandem_router_repairs_total', 'Things put right on the way', ['what']);
    this.#plain = metrics.counter(
      'tandem_router_not_disaggregated_total',
      'Requests sent whole to one pod, by reason',
      ['reason'],
    );
    this.#tokens = metrics.counter('tandem_router_tokens_total', 'Tokens as engines reported them', ['model', 'kind']);
    this.#inferred = metrics.gauge('tandem_router_dialect', 'Dialect of each ModelServer and where it is known from', [
      'model_server',
      'dialect',
      'from',
    ]);
  }

  request(model: string, status: number, ms: number): void {
    this.#requests.inc({ model, status: String(status) });
    this.#duration.observe({ model }, ms / 1000);
  }

  served(model: string, { legs, promptTokens, completionTokens }: Job): void {
    for (const record of legs) this.#leg(record);
    if (promptTokens !== undefined) this.#tokens.inc({ model, kind: 'prompt' }, promptTokens);
    if (completionTokens !== undefined) this.#tokens.inc({ model, kind: 'completion' }, completionTokens);
  }

  pair(prefill: Pair['prefill'], decode: Pair['decode']): void {
    this.#pairs.inc({ level: nearestLevel(prefill.domains, decode.domains) ?? 'unknown' });
  }

  fallback(kind: string): void {
    this.#fallbacks.inc({ kind });
  }

  repair(what: string): void {
    this.#repairs.inc({ what });
  }

  notDisaggregated(reason: string): void {
    this.#plain.inc({ reason });
  }

  dialect(modelServer: string, dialect: string, from: string): void {
    this.#inferred.remove({ model_server: modelServer });
    this.#inferred.set({ model_server: modelServer, dialect, from }, 1);
  }

  #leg({ leg, outcome, ms }: LegRecord): void {
    this.#legs.inc({ leg, outcome });
    this.#legDuration.observe({ leg }, ms / 1000);
  }
}
