/** `tandem router --workers N`: the process that holds the listening socket, starts the workers and lets them hear of each other. */
import cluster, { type Worker } from 'node:cluster';
import type { Running } from '../../base/running.js';
import { LoadBoard } from '../../core/pairing/load-board.js';
import type { Address } from '../../server/listen.js';
import { startProbeServer } from '../../server/probes.js';
import type { Logger } from '../../telemetry/log.js';
import { MergedMetrics } from '../../telemetry/merged-metrics.js';
import { Metrics } from '../../telemetry/metrics.js';
import { cliErrors } from '../errors.js';
import { Line, type Message } from './line.js';
import { Outbox } from './outbox.js';
import { restartDelay } from './restart-delay.js';

export interface WorkersOptions {
  readonly count: number;
  readonly metricsListen: Address;
  /** Milliseconds that a worker may take for its open streams when it is told to stop. */
  readonly drainMs: number;
  readonly logger: Logger;
}

/** How long a worker may take to answer a question before its last figures are shown. */
const answerMs = 1000;
/** What a worker may need beside its streams to stop, before it is killed. */
const stopMs = 10_000;

/** One place among the workers: its number stays when the process in it is replaced. */
interface Slot {
  readonly name: string;
  failures: number;
  seat: Seat | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** The process in a slot. */
interface Seat {
  readonly worker: Worker;
  readonly line: Line;
  /** Undefined until the worker listens to the others. */
  outbox: Outbox | undefined;
  readonly bornAt: number;
  readonly gone: Promise<void>;
}

/** Starts the workers, the first one alone, so that what is wrong with all of them is said once. Replaces those that die. */
export async function startWorkers(options: WorkersOptions, signal: AbortSignal): Promise<Running> {
  const crew = new Crew(options);
  const onAbort = () => void crew.stop();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const probes = await startProbeServer(options.metricsListen, crew.probes);
    crew.stopsWith(() => probes.stop());
    const address = await crew.startAll();
    return { address, ready: crew.ready, stop: () => crew.stop(), [Symbol.asyncDispose]: () => crew.stop() };
  } catch (error) {
    await crew.stop();
    throw error;
  }
}

class Crew {
  readonly #options: WorkersOptions;
  readonly #slots: readonly Slot[];
  readonly #board = new LoadBoard();
  readonly #metrics = new Metrics();
  readonly #merged = new MergedMetrics();
  readonly #restarts = this.#metrics.counter(
    'tandem_router_worker_restarts_total',
    'Workers that died and were replaced',
  );
  /** Resolves when the first worker is ready. */
  readonly ready: Promise<void>;
  #onReady: () => void = () => undefined;
  #isStarted = false;
  #closeProbes: () => Promise<void> = () => Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.ready = new Promise((resolve) => {
      this.#onReady = resolve;
    });
    this.#slots = Array.from({ length: options.count }, (_, i) => ({
      name: String(i),
      failures: 0,
      seat: undefined,
      timer: undefined,
    }));
    this.#metrics.gauge('tandem_router_workers', 'Worker processes that run', [], (gauge) =>
      gauge.set(this.#seats().length),
    );
  }

  get probes() {
    const metrics = { render: () => this.#render(), contentType: this.#metrics.contentType };
    return { notReady: () => this.#notReady(), metrics };
  }

  stopsWith(close: () => Promise<void>): void {
    this.#closeProbes = close;
  }

  async startAll(): Promise<Address> {
    const [first, ...rest] = this.#slots;
    if (!first) throw new Error('a router has at least one worker');
    const address = await this.#fill(first);
    await Promise.all(rest.map((slot) => this.#fill(slot)));
    this.#isStarted = true;
    for (const slot of this.#slots) if (!slot.seat) this.#replace(slot); // died while others were starting
    return address;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    for (const { timer } of this.#slots) clearTimeout(timer);
    const seats = this.#seats();
    for (const { line } of seats) line.send({ is: 'stop' });
    const late = setTimeout(() => {
      for (const { worker } of this.#seats()) worker.process.kill('SIGKILL');
    }, this.#options.drainMs + stopMs);
    await Promise.all(seats.map(({ gone }) => gone));
    clearTimeout(late);
    await this.#closeProbes();
  }

  #seats(): readonly Seat[] {
    return this.#slots.flatMap(({ seat }) => seat ?? []);
  }

  /** Puts a process into the slot. Resolves when it accepts clients; rejects when it dies before, or cannot be started. */
  #fill(slot: Slot): Promise<Address> {
    let worker: Worker;
    try {
      worker = cluster.fork();
    } catch (error) {
      const how = error instanceof Error ? error.message : String(error);
      this.#retry(slot, how, 0);
      return Promise.reject(cliErrors('worker-not-started', { how }, error));
    }
    return this.#seat(slot, worker);
  }

  #seat(slot: Slot, worker: Worker): Promise<Address> {
    const line = new Line(
      (message, sent) => send(worker, message, sent),
      () => this.#render(), // a worker asks for nothing else
      (error) => this.#options.logger.error({ err: error }, 'a worker asked for metrics that could not be collected'),
    );
    let end: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      end = resolve;
    });
    const seat: Seat = { worker, line, outbox: undefined, bornAt: performance.now(), gone };
    slot.seat = seat;
    return new Promise((resolve, reject) => {
      const over = (how: string) => {
        this.#onExit(slot, seat, how);
        reject(cliErrors('worker-not-started', { how }));
        end();
      };
      worker.on('error', ({ message }: Error) => {
        if (worker.process.pid === undefined) over(message); // it never was; of any other the `exit` follows
      });
      worker.on('message', (message: Message) => {
        if (slot.seat !== seat) return; // its share has been given back
        const own = line.receive(message);
        if (own?.is === 'listening') resolve({ host: own.host, port: own.port });
        else if (own?.is === 'batch') this.#relay(worker.id, own.batch);
        else if (own?.is === 'ready') this.#onReady();
        else if (own?.is === 'joined') this.#welcome(seat);
      });
      worker.once('exit', (code, signal) => over(signal ?? `code ${code}`));
    });
  }

  /** Tells a newcomer what the others hold, and from now on what changes. */
  #welcome(seat: Seat): void {
    const outbox = new Outbox(seat.line);
    for (const [from, load] of this.#board.rows()) outbox.put(from, { load, prefixes: [] });
    seat.outbox = outbox;
  }

  #relay(from: number, batch: Parameters<Outbox['put']>[1]): void {
    this.#board.put(from, batch.load);
    for (const { worker, outbox } of this.#seats()) if (worker.id !== from) outbox?.put(from, batch);
  }

  #onExit(slot: Slot, seat: Seat, how: string): void {
    if (slot.seat !== seat) return;
    slot.seat = undefined;
    seat.line.close();
    seat.outbox?.close();
    this.#board.drop(seat.worker.id);
    this.#merged.retire(slot.name);
    for (const { outbox } of this.#seats()) outbox?.drop(seat.worker.id);
    this.#retry(slot, how, performance.now() - seat.bornAt);
  }

  #retry(slot: Slot, how: string, livedMs: number): void {
    if (this.#stopped || !this.#isStarted) return;
    const { failures, delayMs } = restartDelay(slot.failures, livedMs);
    slot.failures = failures;
    this.#options.logger.error({ worker: slot.name, how, failures, delayMs }, 'a worker died and is replaced');
    slot.timer = setTimeout(() => this.#replace(slot), delayMs);
  }

  #replace(slot: Slot): void {
    this.#restarts.inc();
    this.#fill(slot).catch(() => undefined); // its end has been logged, and led to the next try
  }

  async #notReady(): Promise<string | undefined> {
    if (this.#stopped) return 'stopping';
    const answers = await Promise.all(this.#seats().map(({ line }) => line.ask('ready', answerMs)));
    if (answers.includes('')) return undefined;
    return answers.find((why) => why !== undefined) ?? 'no worker answers';
  }

  async #render(): Promise<string> {
    const asked = this.#slots.map(async (slot) => {
      const { seat } = slot;
      const text = await seat?.line.ask('metrics', answerMs);
      if (text !== undefined && slot.seat === seat) this.#merged.put(slot.name, text);
    });
    await Promise.all(asked);
    return `${await this.#metrics.render()}\n${this.#merged.render()}`;
  }
}

function send(worker: Worker, message: Message, sent: () => void): void {
  if (worker.isConnected()) worker.send(message, () => sent());
  else sent();
}
