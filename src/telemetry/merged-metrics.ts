/** One exposition from several processes that count the same things: what a scrape of all workers shows. */

interface Family {
  readonly help: string;
  readonly type: string;
  /** Value by name and labels as written. */
  readonly samples: Map<string, number>;
}

type Families = Map<string, Family>;

/**
 * Sums counters and histograms over workers, and gives each gauge the label `worker`. What a worker that is gone had counted
 * at the last look stays in the sums, so that they never fall.
 */
export class MergedMetrics {
  /** What the workers of today showed last. */
  readonly #latest = new Map<string, Families>();
  readonly #gone: Families = new Map();

  /** @param text Prometheus text exposition, format 0.0.4, without timestamps */
  put(worker: string, text: string): void {
    this.#latest.set(worker, parse(text));
  }

  /** The worker of this name is gone; another one may take its name. */
  retire(worker: string): void {
    for (const [name, family] of this.#latest.get(worker) ?? [])
      if (isSummed(family)) add(this.#gone, name, family, undefined);
    this.#latest.delete(worker);
  }

  render(): string {
    const merged: Families = new Map();
    for (const [name, family] of this.#gone) add(merged, name, family, undefined);
    for (const [worker, families] of this.#latest) {
      for (const [name, family] of families) add(merged, name, family, worker);
    }
    let text = '';
    for (const [name, { help, type, samples }] of merged) {
      text += `${help}\n# TYPE ${name} ${type}\n`;
      for (const [key, value] of samples) text += `${key} ${value}\n`;
    }
    return text;
  }
}

const isSummed = ({ type }: Family): boolean => type === 'counter' || type === 'histogram';

function add(to: Families, name: string, family: Family, worker: string | undefined): void {
  let target = to.get(name);
  if (!target) {
    target = { help: family.help, type: family.type, samples: new Map() };
    to.set(name, target);
  }
  for (const [key, value] of family.samples) {
    const own = isSummed(family) ? key : labelled(key, worker);
    target.samples.set(own, (target.samples.get(own) ?? 0) + value);
  }
}

function labelled(key: string, worker = ''): string {
  const brace = key.indexOf('{');
  return brace < 0 ? `${key}{worker="${worker}"}` : `${key.slice(0, brace)}{worker="${worker}",${key.slice(brace + 1)}`;
}

function parse(text: string): Families {
  const families: Families = new Map();
  let help = '';
  let family: Family | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('# HELP ')) help = line;
    else if (line.startsWith('# TYPE ')) {
      const [, , name = '', type = ''] = line.split(' ');
      family = { help, type, samples: new Map() };
      families.set(name, family);
    } else if (line !== '') {
      const space = line.lastIndexOf(' ');
      family?.samples.set(line.slice(0, space), Number(line.slice(space + 1)));
    }
  }
  return families;
}
