/**
 * Counters and histograms for the hot path: a number in an array, turned into Prometheus text when somebody asks. A general
 * metrics library spends on each observation what the router spends on a whole body scan.
 */
const mostSeries = 1000;

/** Series of one metric, by the values of its labels. Beyond the limit they share one, so that memory stays bounded. */
class Family<Cell> {
  readonly #name: string;
  readonly #help: string;
  readonly #type: 'counter' | 'histogram';
  readonly #labels: readonly string[];
  readonly #cells = new Map<string, Cell>();

  constructor(type: 'counter' | 'histogram', name: string, help: string, labels: readonly string[]) {
    this.#type = type;
    this.#name = name;
    this.#help = help;
    this.#labels = labels;
  }

  get name(): string {
    return this.#name;
  }

  /** The cell of these label values, one text for each label, in order. */
  cell(values: readonly string[], make: () => Cell): Cell {
    const key = values.length === 1 ? (values[0] ?? '') : values.join('\u0000');
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      if (this.#cells.size >= mostSeries)
        return this.cell(
          this.#labels.map(() => 'other'),
          make,
        );
      cell = make();
      this.#cells.set(key, cell);
    }
    return cell;
  }

  render(lines: (labels: string, cell: Cell) => string): string {
    let text = `# HELP ${this.#name} ${this.#help}\n# TYPE ${this.#name} ${this.#type}\n`;
    for (const [key, cell] of this.#cells) {
      const values = key.split('\u0000');
      text += lines(this.#labels.map((label, i) => `${label}="${escaped(values[i] ?? '')}"`).join(','), cell);
    }
    return text;
  }
}

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

export class Counts {
  readonly #family: Family<{ value: number }>;

  constructor(name: string, help: string, labels: readonly string[]) {
    this.#family = new Family('counter', name, help, labels);
  }

  add(by: number, ...values: readonly string[]): void {
    this.#family.cell(values, () => ({ value: 0 })).value += by;
  }

  render(): string {
    return this.#family.render((labels, { value }) => `${this.#family.name}{${labels}} ${value}\n`);
  }
}

/** Upper bounds in seconds. */
const bounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const;

interface Durations {
  readonly counts: Float64Array;
  sum: number;
}

export class Seconds {
  readonly #family: Family<Durations>;

  constructor(name: string, help: string, labels: readonly string[]) {
    this.#family = new Family('histogram', name, help, labels);
  }

  observe(milliseconds: number, ...values: readonly string[]): void {
    const cell = this.#family.cell(values, () => ({ counts: new Float64Array(bounds.length + 1), sum: 0 }));
    const seconds = milliseconds / 1000;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] ?? 0)) bucket += 1;
    cell.counts[bucket] = (cell.counts[bucket] ?? 0) + 1;
    cell.sum += seconds;
  }

  render(): string {
    const { name } = this.#family;
    return this.#family.render((labels, { counts, sum }) => {
      let total = 0;
      let text = '';
      for (const [i, count] of counts.entries()) {
        total += count;
        text += `${name}_bucket{${labels},le="${bounds[i] ?? '+Inf'}"} ${total}\n`;
      }
      return `${text}${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${total}\n`;
    });
  }
}
