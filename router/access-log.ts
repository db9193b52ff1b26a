import { isoTime } from '../src/telemetry/iso-time.js';
import type { Job, LegRecord } from './job.js';
import { tenths } from './tenths.js';

/** One finished request. */
export interface Access {
  readonly at: number;
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly ms: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly ended: 'complete' | 'client-left' | 'failed';
  readonly error: string | undefined;
  readonly job: Job | undefined;
}

/** Longest time and size that lines wait to be written together. */
const flushMs = 200;
const flushAt = 16 * 1024;
/** Room for the lines that wait and one more; a longer line is cut off from the rest and written by itself. */
const room = 64 * 1024;

/** One JSON line per request, built by hand and written in batches: a tenth of the cost of a general logger. */
export class AccessLog {
  readonly #write: ((lines: Buffer) => void) | undefined;
  readonly #lines = Buffer.allocUnsafeSlow(room);
  #size = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(write: ((lines: Buffer) => void) | undefined) {
    this.#write = write;
  }

  add(access: Access): void {
    if (!this.#write) return;
    const line = lineOf(access);
    // A character is at most three bytes.
    if (line.length * 3 > room - this.#size) {
      this.flush();
      this.#write(Buffer.from(line));
      return;
    }
    this.#size += this.#lines.write(line, this.#size);
    if (this.#size >= flushAt) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), flushMs).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#size === 0) return;
    this.#write?.(Buffer.from(this.#lines.subarray(0, this.#size)));
    this.#size = 0;
  }
}

function lineOf({ at, id, method, path, status, ms, bytesIn, bytesOut, ended, error, job }: Access): string {
  const start = `{"level":"info","time":"${isoTime(at)}","part":"router","msg":"request","id":${quoted(id)}`;
  const what = `,"method":"${method}","path":${quoted(path)},"status":${status},"ms":${tenths(ms)}`;
  const size = `,"bytes_in":${bytesIn},"bytes_out":${bytesOut},"ended":"${ended}"`;
  return `${start}${what}${size}${error === undefined ? '' : `,"error":${quoted(error)}`}${job ? ofJob(job) : ''}}\n`;
}

function ofJob({ head, model, view, legs, streaming, promptTokens, completionTokens, fallback }: Job): string {
  const tokens =
    completionTokens === undefined ? '' : `,"tokens_in":${promptTokens ?? 0},"tokens_out":${completionTokens}`;
  let said = '';
  for (const leg of legs) said += `${said === '' ? '' : ','}${ofLeg(leg)}`;
  const about = `,"model":${quoted(model)},"model_server":${quoted(view.name)},"dialect":"${view.dialect.dialect}","stream":${streaming}`;
  const trace = head.trace ? `,"trace_id":"${head.trace.id}"` : '';
  return `${about}${trace}${fallback === undefined ? '' : `,"fallback":"${fallback}"`}${tokens},"legs":[${said}]`;
}

function ofLeg({ leg, pod, outcome, ms, firstMs }: LegRecord): string {
  const first = firstMs === undefined ? '' : `,"first_ms":${tenths(firstMs)}`;
  return `{"leg":"${leg}","pod":${quoted(pod)},"outcome":"${outcome}","ms":${tenths(ms)}${first}}`;
}

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const quoted = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text));
