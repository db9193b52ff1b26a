/**
 * Counters and histograms for hot paths: a number in an array, turned into Prometheus text when somebody asks. A general
 * metrics library spends on each observation what the router spends on a whole body scan. `Metrics.addSource` shows them.
 */
const mostSeries = 1000;

/** Series of one metric, by the values of its one or two labels. Beyond the limit they share one: memory stays bounded. */
class Family<Cell> {
  readonly #name: string;
  readonly #help: string;
  readonly #type: 'counter' | 'histogram';
  readonly #labels: readonly string[];
  readonly #make: () => Cell;
  /** By first and second value, so that no key is built to find a cell; the second is empty where there is one label. */
  readonly #cells = new Map<string, Map<string, Cell>>();
  #size = 0;

  constructor(type: 'counter' | 'histogram', [name, help, labels]: Described, make: () => Cell) {
    this.#name = name;
    this.#help = help;
    this.#type = type;
    this.#labels = labels;
    this.#make = make;
  }

  get name(): string {
    return this.#name;
  }

  cell(first: string, second = ''): Cell {
    return this.#cells.get(first)?.get(second) ?? this.#add(first, second);
  }

  #add(first: string, second: string): Cell {
    const shared = second === '' ? '' : 'other';
    const isShared = first === 'other' && second === shared;
    if (this.#size >= mostSeries && !isShared) return this.cell('other', shared);
    let ofFirst = this.#cells.get(first);
    if (!ofFirst) {
      ofFirst = new Map();
      this.#cells.set(first, ofFirst);
    }
    const cell = this.#make();
    ofFirst.set(second, cell);
    this.#size += 1;
    return cell;
  }

  render(lines: (labels: string, cell: Cell) => string): string {
    let text = `# HELP ${this.#name} ${this.#help}\n# TYPE ${this.#name} ${this.#type}\n`;
    for (const [first, ofFirst] of this.#cells) {
      for (const [second, cell] of ofFirst) text += lines(this.#labelled(first, second), cell);
    }
    return text;
  }

  #labelled(first: string, second: string): string {
    return this.#labels.map((label, i) => `${label}="${escaped(i === 0 ? first : second)}"`).join(',');
  }
}

type Described = readonly [name: string, help: string, labels: readonly string[]];

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

export class Counts {
  readonly #family: Family<{ value: number }>;

  constructor(...described: Described) {
    this.#family = new Family('counter', described, () => ({ value: 0 }));
  }

  add(by: number, first: string, second?: string): void {
    this.#family.cell(first, second).value += by;
  }

  render(): string {
    return this.#family.render((labels, { value }) => `${this.#family.name}{${labels}} ${value}\n`);
  }
}

/** Upper bounds in seconds, from an answer of a few bytes to one that streams for minutes. */
const usualBounds: readonly number[] = [
  0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];

interface Durations {
  readonly counts: Float64Array;
  sum: number;
}

export class Seconds {
  readonly #family: Family<Durations>;
  readonly #bounds: readonly number[];

  /** @param bounds upper bounds in seconds, ascending */
  constructor(name: string, help: string, labels: readonly string[], bounds = usualBounds) {
    this.#bounds = bounds;
    this.#family = new Family('histogram', [name, help, labels], () => ({
      counts: new Float64Array(bounds.length + 1),
      sum: 0,
    }));
  }

  observe(milliseconds: number, first: string): void {
    const bounds = this.#bounds;
    const cell = this.#family.cell(first);
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
        text += `${name}_bucket{${labels},le="${this.#bounds[i] ?? '+Inf'}"} ${total}\n`;
      }
      return `${text}${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${total}\n`;
    });
  }
}
