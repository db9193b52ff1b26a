/** One worker of `tandem router --workers N`: the router itself, and its way to the primary. */
import cluster from 'node:cluster';
import type { Batch, OtherWorkers, WorkersListener } from '../../../router/sharing.js';
import type { Running } from '../../base/running.js';
import type { ProbeState } from '../../server/probes.js';
import type { Logger } from '../../telemetry/log.js';
import { serve } from '../serve.js';
import { Line, type Message, type Question } from './line.js';

/** How long the primary may take to collect what all workers show, in milliseconds. */
const collectMs = 2000;

/** Serves until the primary says stop, a signal does, or the primary is gone. */
export async function runWorker(
  start: (workers: OtherWorkers, signal: AbortSignal) => Promise<Running>,
  logger: Logger,
): Promise<number> {
  const primary = new Primary(logger);
  try {
    return await serve(async (signal) => {
      const running = await start(primary, signal);
      primary.tellOf(running);
      return [running];
    }, primary.saysStop);
  } finally {
    cluster.worker?.disconnect();
  }
}

/** The primary as a worker sees it. */
class Primary implements OtherWorkers {
  readonly saysStop: Promise<void>;
  readonly #line: Line;
  #listener: WorkersListener | undefined;
  #own: ProbeState | undefined;
  #onStop: () => void = () => undefined;

  constructor(logger: Logger) {
    this.#line = new Line(
      send,
      (about) => this.#answer(about),
      (error) => logger.error({ err: error }, 'the primary asked for what could not be collected'),
    );
    this.saysStop = new Promise((resolve) => {
      this.#onStop = resolve;
    });
    process.on('message', (message: Message) => this.#receive(message));
  }

  listen(listener: WorkersListener): void {
    this.#listener = listener;
    this.#line.send({ is: 'joined' });
  }

  send(batch: Batch, sent: () => void): void {
    this.#line.send({ is: 'batch', batch }, sent);
  }

  probes(own: ProbeState): ProbeState {
    this.#own = own;
    const { contentType } = own.metrics;
    const render = async () => (await this.#line.ask('metrics', collectMs)) ?? own.metrics.render();
    return { notReady: own.notReady, metrics: { contentType, render } };
  }

  tellOf({ address, ready }: Running): void {
    if (address) this.#line.send({ is: 'listening', host: address.host, port: address.port });
    ready.then(
      () => this.#line.send({ is: 'ready' }),
      () => undefined, // then /readyz says why
    );
  }

  #receive(message: Message): void {
    const own = this.#line.receive(message);
    if (own?.is === 'batches') for (const [from, batch] of own.batches) this.#listener?.onBatch(from, batch);
    else if (own?.is === 'gone') this.#listener?.onGone(own.worker);
    else if (own?.is === 'stop') this.#onStop();
  }

  async #answer(about: Question): Promise<string> {
    if (about === 'metrics') return (await this.#own?.metrics.render()) ?? '';
    return this.#own ? ((await this.#own.notReady()) ?? '') : 'starting';
  }
}

function send(message: Message, sent: () => void): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => sent());
  else sent();
}
