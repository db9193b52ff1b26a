import type { Case, Row } from './router-cases.js';
import { median, spread } from './statistics.js';

/** What ratios are to. */
const base = 'nginx';

/** The measured values, and what went wrong on the way. */
export class Results {
  /** Row → contender → one value for each round. */
  readonly #values = new Map<Row, Map<string, number[]>>();
  readonly #complaints: string[] = [];

  add({ rows }: Case, contender: string, values: readonly number[]): void {
    rows.forEach((row, i) => {
      const all = this.#values.get(row) ?? new Map<string, number[]>();
      this.#values.set(row, all);
      all.set(contender, [...(all.get(contender) ?? []), values[i] ?? Number.NaN]);
    });
  }

  complain(contender: string, during: string, text: string): void {
    this.#complaints.push(`- ${contender}, ${during}: ${text.replaceAll(/\s+/g, ' ').slice(0, 300)}`);
  }

  /** Markdown: a row for each figure, a column for each contender; `median [range] = times nginx`. */
  table(): string {
    const contenders = [...new Set([...this.#values.values()].flatMap((all) => [...all.keys()]))];
    const lines = [
      `| median [range] = times ${base} | ${contenders.join(' | ')} |`,
      `| --- |${' --- |'.repeat(contenders.length)}`,
      ...[...this.#values].map(([row, all]) => {
        const cells = contenders.map((contender) => cell(row, all.get(contender), all.get(base)));
        return `| ${row.name} | ${cells.join(' | ')} |`;
      }),
    ];
    return [...lines, ...(this.#complaints.length > 0 ? ['', 'What went wrong:', ...this.#complaints] : [])].join('\n');
  }
}

function cell(
  { digits, inHops }: Row,
  values: readonly number[] | undefined,
  nginx: readonly number[] | undefined,
): string {
  if (!values || values.some((value) => !Number.isFinite(value))) return 'failed';
  const text = spread(values, digits);
  if (!inHops || !nginx || nginx === values) return text;
  // Round by round: what disturbed the machine then disturbed both.
  return `${text} = ${median(values.map((value, i) => value / (nginx[i] ?? Number.NaN))).toFixed(2)}x`;
}
