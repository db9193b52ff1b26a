import type { Pair } from '../../src/core/pairing/choose-pair.js';
import type { EngineBody } from '../engine-body.js';
import { type Edits, leaveOut, type RawJson, type SplicedBody, set, setIfPresent } from '../spliced-body.js';

/** What prefill's answer gives to decode. `repairs` names what had to be put right in it, for log and metric. */
export interface Handover {
  readonly value: RawJson;
  readonly repairs: readonly string[];
}

export interface Missing {
  readonly missing: string;
}

export type Stage = 'during-prefill' | 'between-legs' | 'during-decode';

/**
 * What becomes of a call to an engine whose client is gone. `finish-then-deliver`: it may end within a bound, and decode
 * gets what it hands over. `deliver-then-abort`: the engine gets the whole request and a moment to take it in.
 */
export type OnLeave = 'abort' | 'finish-then-deliver' | 'deliver-then-abort';

/** How one connector's engines are spoken to. It knows bodies, no sockets; the engine room knows sockets, no connector. */
export interface Dialect {
  readonly name: string;
  readonly order: 'prefill-then-decode';
  prefill(request: SplicedBody): SplicedBody;
  /** Decode gets something from prefill's answer, which can be used once. */
  readonly linksLegs: boolean;
  /** @throws JsonError when the answer is no JSON object */
  handover(answer: EngineBody, pair: Pair): Handover | Missing;
  /** Without a handover decode computes the prompt itself. */
  decode(request: SplicedBody, handover: Handover | undefined): SplicedBody;
  readonly whenClientLeaves: Readonly<Record<Stage, OnLeave>>;
}

export const missing = (what: string): Missing => ({ missing: what });

/**
 * One token, not streamed: what every prefill leg asks for (pd-protocols A.0.1). `min_tokens` 1 keeps a stop token from
 * ending the prompt without a handover; the client's own value would be above `max_tokens` and refused.
 */
export const oneTokenNoStream: Edits = [
  set('stream', false),
  leaveOut('stream_options'),
  set('max_tokens', 1),
  setIfPresent('max_completion_tokens', 1),
  set('min_tokens', 1),
  leaveOut('min_completion_tokens'),
];

/**
 * Members that only a router may write. From a client they would make an engine dial any host, and some values end the
 * engine's process (measured on vLLM 0.32).
 */
export const routerOnly: readonly string[] = ['kv_transfer_params', 'ec_transfer_params', 'disaggregated_params'];
export const routerOnlyPrefix = 'bootstrap_';
