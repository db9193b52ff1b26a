export type ProtocolFault = 'illegal' | 'extension-too-long' | 'trailers-too-long';

/** Bytes that are no legal HTTP/1.1, or more of them than anybody needs. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly fault: ProtocolFault;

  constructor(message: string, fault: ProtocolFault = 'illegal') {
    super(message);
    this.fault = fault;
  }
}
