import type { Socket } from 'node:net';
import { streamEnd, tokenEvent } from './mock-wire.js';

export interface Pace {
  /** Before the end of the stream. */
  readonly chunks: number;
  readonly everyMs: number;
  /** All streams of this pace step together; else each millisecond of the period has its share of them. */
  readonly aligned: boolean;
}

interface Stream {
  readonly socket: Socket;
  left: number;
}

/** Streams of one pace share one timer, as the sequences of one engine step together. */
class Wheel {
  readonly #phases: readonly Set<Stream>[];
  readonly #begun = performance.now();
  #next = 0;
  /** Milliseconds of the period that have been played. */
  #played = 0;

  constructor({ everyMs, aligned }: Pace) {
    this.#phases = Array.from({ length: aligned ? 1 : everyMs }, () => new Set<Stream>());
    const tickMs = aligned ? everyMs : 1;
    setInterval(() => this.#turn(tickMs), tickMs);
  }

  add(stream: Stream): void {
    this.#phases[this.#next]?.add(stream);
    this.#next = (this.#next + 1) % this.#phases.length;
  }

  /** A late timer makes up for what it missed, but no stream steps twice at once. */
  #turn(tickMs: number): void {
    const due = Math.floor((performance.now() - this.#begun) / tickMs);
    this.#played = Math.max(this.#played, due - this.#phases.length);
    for (; this.#played < due; this.#played += 1) {
      const phase = this.#phases[this.#played % this.#phases.length];
      if (phase) step(phase);
    }
  }
}

function step(streams: Set<Stream>): void {
  for (const stream of streams) {
    if (stream.left > 0 && !stream.socket.destroyed) {
      stream.left -= 1;
      stream.socket.write(tokenEvent);
      continue;
    }
    streams.delete(stream);
    if (!stream.socket.destroyed) stream.socket.write(streamEnd);
  }
}

/** Answers a stream at its pace; the head has been written. */
export function chunkStepper(): (socket: Socket, pace: Pace) => void {
  const wheels = new Map<string, Wheel>();
  return (socket, pace) => {
    const key = `${pace.everyMs}/${pace.aligned}`;
    let wheel = wheels.get(key);
    if (!wheel) {
      wheel = new Wheel(pace);
      wheels.set(key, wheel);
    }
    wheel.add({ socket, left: pace.chunks });
  };
}
