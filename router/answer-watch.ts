const finishReason = Buffer.from('"finish_reason":');
const usage = Buffer.from('"usage":{');
const errorEvent = Buffer.from('data: {"error"');
const errorBody = Buffer.from('{"error"');

/**
 * Watches an answer go by without parsing it. A quote inside generated text is escaped in JSON, so these byte patterns
 * occur only where the engine itself wrote them. An event that an engine splits over two chunks is not looked into.
 */
export class AnswerWatch {
  /** Tokens as the engine counted them; undefined when it did not say. */
  promptTokens: number | undefined;
  completionTokens: number | undefined;

  /** Why the engine gave up on this answer, when this stretch says so. */
  look(payload: Buffer): string | undefined {
    if (payload.indexOf(usage) >= 0) this.#readUsage(payload.toString('latin1'));
    if (startsWith(payload, errorEvent) || startsWith(payload, errorBody)) return 'the engine answered with an error';
    for (let at = payload.indexOf(finishReason); at >= 0; at = payload.indexOf(finishReason, at + 1)) {
      const reason = failedReason(payload, at + finishReason.length);
      if (reason !== undefined) return `the engine ended with finish_reason ${reason}`;
    }
    return undefined;
  }

  #readUsage(text: string): void {
    const from = text.indexOf('"usage":{');
    this.promptTokens = numberAfter(text, '"prompt_tokens":', from) ?? this.promptTokens;
    this.completionTokens = numberAfter(text, '"completion_tokens":', from) ?? this.completionTokens;
  }
}

function startsWith(payload: Buffer, start: Buffer): boolean {
  return payload.length >= start.length && payload.compare(start, 0, start.length, 0, start.length) === 0;
}

/** `abort` is how vLLM ends what it does not finish (SIGTERM, abort call); both come with a clean end of stream. */
function failedReason(payload: Buffer, from: number): string | undefined {
  let at = from;
  while (payload[at] === 0x20) at += 1;
  if (payload[at] !== 0x22) return undefined;
  const text = payload.toString('latin1', at, at + 7);
  return text === '"abort"' || text === '"error"' ? text.slice(1, -1) : undefined;
}

function numberAfter(text: string, label: string, from: number): number | undefined {
  const at = text.indexOf(label, from);
  if (at < 0) return undefined;
  const digits = /^\s*(\d{1,15})/.exec(text.slice(at + label.length, at + label.length + 20));
  return digits ? Number(digits[1]) : undefined;
}
