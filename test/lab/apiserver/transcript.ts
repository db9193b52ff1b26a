/** Runs a scenario against a server and keeps what it answered, with what differs from run to run replaced. */
import type { Answer, Api, Asked } from './api.js';

export interface Step {
  readonly step: string;
  readonly status: number;
  readonly warnings?: readonly string[];
  readonly body: unknown;
}

export interface Scenario {
  readonly name: string;
  /** `namespace` is there and empty. */
  readonly run: (recorder: Recorder, namespace: string) => Promise<void>;
}

export class Recorder {
  readonly api: Api;
  readonly steps: Step[] = [];
  readonly #names = new Map<string, string>();

  constructor(api: Api) {
    this.api = api;
  }

  /** Asks and records; `pick` chooses what of the body matters here, by default all of it. */
  async step(
    step: string,
    method: string,
    path: string,
    asked: Asked = {},
    pick: (body: Answer['body']) => unknown = (body) => body,
  ): Promise<Answer> {
    const answer = await this.api.ask(method, path, asked);
    const chosen = pick(answer.body);
    this.steps.push({
      step,
      status: answer.status,
      ...(answer.warnings.length > 0 && { warnings: answer.warnings }),
      body: this.#stable(chosen === undefined ? null : chosen),
    });
    return answer;
  }

  note(step: string, body: unknown): void {
    this.steps.push({ step, status: 0, body: this.#stable(body) });
  }

  #stable(value: unknown, key = ''): unknown {
    if (Array.isArray(value)) return distinct(inOrder(value).map((item) => this.#stable(item)));
    if (typeof value === 'string') return this.#text(value, key);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        // Go writes null for a time that was never set.
        .filter(([name, item]) => name !== 'retryAfterSeconds' && item !== null && item !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, item]) => [name, this.#stable(item, name)]),
    );
  }

  #text(text: string, key: string): string {
    if (key === 'resourceVersion') return text === '' ? '' : '<version>';
    return text
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (uid) => this.#name(uid, 'uid'))
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
      .replace(/https:\/\/127\.0\.0\.1:\d+/g, 'https://HOST')
      .replace(/127\.0\.0\.1:\d+/g, 'HOST')
      .replace(/\b10\.96\.\d+\.\d+\b/g, '<cluster-ip>')
      .replace(/\bgen-[a-z0-9]{5}\b/g, 'gen-<random>');
  }

  /** The same uid is the same number in the whole transcript. */
  #name(uid: string, kind: string): string {
    const known = this.#names.get(uid) ?? `<${kind} ${this.#names.size + 1}>`;
    this.#names.set(uid, known);
    return known;
  }
}

/** The real server says some causes twice. */
const distinct = (list: readonly unknown[]): unknown[] => {
  const seen = new Set<string>();
  return list.filter((item) => {
    const text = JSON.stringify(item);
    const isNew = typeof item !== 'object' || !seen.has(text);
    seen.add(text);
    return isNew;
  });
};

/** Entries of managedFields are sorted by time, which differs with the second that a run starts in. */
function inOrder(list: readonly unknown[]): readonly unknown[] {
  const entries = list as readonly Record<string, unknown>[];
  if (!entries.every((entry) => typeof entry === 'object' && entry !== null && 'fieldsV1' in entry)) return list;
  const nameOf = (entry: Record<string, unknown>) =>
    `${entry['operation']} ${entry['manager']} ${entry['subresource'] ?? ''}`;
  return [...entries].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}
