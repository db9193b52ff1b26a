/** An unfinished event longer than this is not looked into: tokens and usage are far shorter. */
const longestEvent = 64 * 1024;
const longestWord = 1024;

/**
 * Watches an answer go by without parsing it. A quote inside generated text is escaped in JSON, so these patterns occur only
 * where the engine itself wrote them. An event that the engine splits over several chunks is looked at when it is whole.
 */
export class AnswerWatch {
  /** Tokens as the engine counted them; undefined when it did not say. */
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  /** The last event, as far as it has come. */
  #unfinished = '';

  /** Why the engine gave up on this answer, when this stretch says so: the characters `from` to `to`, one for each byte. */
  look(text: string, from: number, to: number): string | undefined {
    const isWhole = endsEvent(text, to);
    if (isWhole && this.#unfinished === '') return this.#read(text, from);
    const all = this.#unfinished + text.slice(from, to);
    this.#unfinished = isWhole ? '' : lastEvent(all);
    return this.#read(all, 0);
  }

  /** The same for an answer that is not a stream. */
  lookAtWhole(text: string): string | undefined {
    return this.#read(text, 0);
  }

  #read(text: string, from: number): string | undefined {
    const usage = text.indexOf('"usage":{', from);
    if (usage >= 0) this.#readUsage(text, usage);
    if (saysError(text, from)) return 'the engine answered with an error';
    for (let at = text.indexOf(finishReason, from); at >= 0; at = text.indexOf(finishReason, at + 1)) {
      const reason = failedReason(text, at + finishReason.length);
      if (reason !== undefined) return `the engine ended with finish_reason ${reason}`;
    }
    return undefined;
  }

  #readUsage(text: string, from: number): void {
    this.promptTokens = numberAfter(text, '"prompt_tokens":', from) ?? this.promptTokens;
    this.completionTokens = numberAfter(text, '"completion_tokens":', from) ?? this.completionTokens;
  }
}

const finishReason = '"finish_reason":';

/** An error instead of an answer, or as an event of a stream. */
function saysError(text: string, from: number): boolean {
  if (text.startsWith('{"error"', from) || text.startsWith('data: {"error"', from)) return true;
  return text.includes('\ndata: {"error"', from);
}

/** A blank line before `to`. Lines may end with a carriage return and a line feed as well. */
function endsEvent(text: string, to: number): boolean {
  if (text.charCodeAt(to - 1) !== 10) return false;
  const before = text.charCodeAt(to - 2);
  return before === 10 || (before === 13 && text.charCodeAt(to - 3) === 10);
}

/** What follows the last blank line; of an event without an end, only so much that no word is lost at the border. */
function lastEvent(text: string): string {
  const blank = Math.max(text.lastIndexOf('\n\n') + 2, text.lastIndexOf('\n\r\n') + 3);
  const event = blank < 3 ? text : text.slice(blank);
  return event.length <= longestEvent ? event : event.slice(-longestWord);
}

/** `abort` is how vLLM ends what it does not finish (SIGTERM, abort call); both come with a clean end of stream. */
function failedReason(text: string, from: number): string | undefined {
  let at = from;
  while (text.charCodeAt(at) === 0x20) at += 1;
  if (text.startsWith('"abort"', at)) return 'abort';
  return text.startsWith('"error"', at) ? 'error' : undefined;
}

function numberAfter(text: string, label: string, from: number): number | undefined {
  const at = text.indexOf(label, from);
  if (at < 0) return undefined;
  const digits = /^\s*(\d{1,15})/.exec(text.slice(at + label.length, at + label.length + 20));
  return digits ? Number(digits[1]) : undefined;
}
