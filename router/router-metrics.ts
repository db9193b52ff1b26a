import type { Pair } from '../src/core/pairing/choose-pair.js';
import { nearestLevel } from '../src/core/placement/topology.js';
import type { Gauge, Metrics } from '../src/telemetry/metrics.js';
import { Counts, Seconds } from '../src/telemetry/series.js';
import type { Job, LegRecord } from './job.js';

/** What is read when somebody asks. */
export interface Readings {
  readonly inFlight: () => number;
  readonly toEngines: () => number;
  readonly fromClients: () => number;
  readonly places: () => { readonly own: number; readonly others: number };
}

export function addGauges(metrics: Metrics, { inFlight, toEngines, fromClients, places }: Readings): void {
  metrics.gauge('tandem_router_requests_in_flight', 'Requests being served', [], (gauge) => gauge.set(inFlight()));
  metrics.gauge('tandem_router_engine_connections', 'Connections to engines', [], (gauge) => gauge.set(toEngines()));
  metrics.gauge('tandem_router_client_connections', 'Connections of clients', [], (gauge) => gauge.set(fromClients()));
  metrics.gauge('tandem_router_places', 'Places taken on pods as pairing sees them, by worker', ['by'], (gauge) => {
    const { own, others } = places();
    gauge.set({ by: 'own' }, own);
    gauge.set({ by: 'others' }, others);
  });
}

/** The router's metrics. Label values come from our own objects and short lists, so their number is bounded. */
export class RouterMetrics {
  readonly #requests = new Counts('tandem_router_requests_total', 'Requests by model and answered status', [
    'model',
    'status',
  ]);
  readonly #duration = new Seconds('tandem_router_request_seconds', 'From request to end of answer', ['model']);
  readonly #legs = new Counts('tandem_router_legs_total', 'Calls to engines by leg and outcome', ['leg', 'outcome']);
  readonly #legDuration = new Seconds('tandem_router_leg_seconds', 'Calls to engines, to the end of the answer', [
    'leg',
  ]);
  readonly #pairs = new Counts('tandem_router_pairs_total', 'Pairs, by the nearest level that both pods share', [
    'level',
  ]);
  readonly #fallbacks = new Counts('tandem_router_fallbacks_total', 'Requests that no pair served, by what was done', [
    'kind',
  ]);
  readonly #repairs = new Counts('tandem_router_repairs_total', 'Things put right on the way', ['what']);
  readonly #whole = new Counts('tandem_router_not_disaggregated_total', 'Requests sent whole to one pod, by reason', [
    'reason',
  ]);
  readonly #abandoned = new Counts(
    'tandem_router_abandoned_total',
    'Legs whose client left while engines could hold KV that decode had not read, by how they ended',
    ['leg', 'outcome'],
  );
  readonly #untaken = new Counts(
    'tandem_router_untaken_handovers_total',
    'Handovers that no decode pod could be reached for, by why the last one could not: prefill holds the KV until its lease ends',
    ['why'],
  );
  readonly #refused = new Counts(
    'tandem_router_refused_total',
    'Requests refused before they could be read, by reason',
    ['reason'],
  );
  readonly #tokens = new Counts('tandem_router_tokens_total', 'Tokens as engines reported them', ['model', 'kind']);
  readonly #dialects: Gauge<'model_server' | 'dialect' | 'from'>;
  readonly #known = new Map<string, { model_server: string; dialect: string; from: string }>();

  constructor(metrics: Metrics) {
    this.#dialects = metrics.gauge('tandem_router_dialect', 'Dialect of each ModelServer, and how it is known', [
      'model_server',
      'dialect',
      'from',
    ]);
    const counted = [this.#requests, this.#duration, this.#legs, this.#legDuration, this.#pairs];
    const rare = [
      this.#refused,
      this.#fallbacks,
      this.#repairs,
      this.#whole,
      this.#abandoned,
      this.#untaken,
      this.#tokens,
    ];
    metrics.addSource(() => [...counted, ...rare].map((family) => family.render()).join(''));
  }

  request(model: string, status: number, ms: number): void {
    this.#requests.add(1, model, String(status));
    this.#duration.observe(ms, model);
  }

  served(model: string, { legs, promptTokens, completionTokens }: Job): void {
    for (const record of legs) this.#leg(record);
    if (promptTokens !== undefined) this.#tokens.add(promptTokens, model, 'prompt');
    if (completionTokens !== undefined) this.#tokens.add(completionTokens, model, 'completion');
  }

  pair(prefill: Pair['prefill'], decode: Pair['decode']): void {
    this.#pairs.add(1, nearestLevel(prefill.domains, decode.domains) ?? 'unknown');
  }

  refused(reason: string): void {
    this.#refused.add(1, reason);
  }

  fallback(kind: string): void {
    this.#fallbacks.add(1, kind);
  }

  repair(what: string): void {
    this.#repairs.add(1, what);
  }

  abandoned(leg: 'prefill' | 'decode', outcome: string): void {
    this.#abandoned.add(1, leg, outcome);
  }

  untaken(why: string): void {
    this.#untaken.add(1, why);
  }

  notDisaggregated(reason: string): void {
    this.#whole.add(1, reason);
  }

  dialect(modelServer: string, dialect: string, from: string): void {
    this.noDialect(modelServer);
    const now = { model_server: modelServer, dialect, from };
    this.#known.set(modelServer, now);
    this.#dialects.set(now, 1);
  }

  /** The ModelServer is gone, or its requests are not split. */
  noDialect(modelServer: string): void {
    const before = this.#known.get(modelServer);
    if (before) this.#dialects.remove(before);
    this.#known.delete(modelServer);
  }

  #leg({ leg, outcome, ms }: LegRecord): void {
    this.#legs.add(1, leg, outcome);
    this.#legDuration.observe(ms, leg);
  }
}
