import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { lostWrites } from './standard-error.js';

/** The metrics of one process: Prometheus text, names start with `tandem_`. The only file that knows prom-client. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #sources: (() => string)[] = [];

  constructor() {
    let counted = 0;
    new Counter({
      name: 'tandem_log_lost_writes_total',
      help: 'Writes of log lines that failed: what they held is lost',
      registers: [this.#registry],
      collect() {
        this.inc(lostWrites() - counted);
        counted = lostWrites();
      },
    });
  }

  counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: (gauge: Gauge<L>) => void,
  ): Gauge<L> {
    return new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      ...(collect && {
        collect() {
          collect(this);
        },
      }),
    });
  }

  histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: readonly number[],
  ): Histogram<L> {
    return new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.#registry],
    });
  }

  /** Adds series that are counted elsewhere: text of whole families, asked for at each scrape. */
  addSource(render: () => string): void {
    this.#sources.push(render);
  }

  /** Prometheus text exposition, format 0.0.4. */
  async render(): Promise<string> {
    const own = await this.#registry.metrics();
    return this.#sources.length === 0 ? own : `${own}\n${this.#sources.map((render) => render()).join('')}`;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

export type { Counter, Gauge, Histogram };
