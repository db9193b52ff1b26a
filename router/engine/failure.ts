/** Where a call to an engine broke. Before `body` there is no whole head of an answer, so that another engine may be asked. */
export type CallStage = 'connect' | 'head' | 'body';
export type CallFault = 'refused' | 'reset' | 'timeout' | 'protocol' | 'aborted';

/** A call that ended without a whole, legal response. */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure';
  readonly stage: CallStage;
  readonly fault: CallFault;

  constructor(stage: CallStage, fault: CallFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.stage = stage;
    this.fault = fault;
  }
}
