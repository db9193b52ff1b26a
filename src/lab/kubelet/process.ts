import type { Engine } from '../engine/start.js';

/** How a container's process ended. */
export interface ProcessExit {
  readonly code: number;
  /** As Kubernetes words it: `Completed`, `Error`, `OOMKilled`. */
  readonly reason: string;
  readonly message?: string;
}

/** A running container: a simulated engine, or something that only answers or waits. */
export interface Process {
  readonly exited: Promise<ProcessExit>;
  /** True when nothing is in flight and no KV waits to be fetched; what a drain hook waits for. */
  readonly isIdle: boolean;
  readonly engine: Engine | undefined;
  /** SIGTERM; resolves when it is gone. */
  terminate(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Makes `exited` and the function that settles it. */
export function exitSlot(): { exited: Promise<ProcessExit>; exit: (how: ProcessExit) => void } {
  let exit: (how: ProcessExit) => void = () => undefined;
  const exited = new Promise<ProcessExit>((resolve) => {
    exit = resolve;
  });
  return { exited, exit };
}
