import type { Member, Scan } from './body-scan.js';

/** Takes an edited body in order: stretches of the original, and texts of one byte a character. */
export interface SpliceTarget {
  copy(from: number, to: number): void;
  insert(latin1: string): void;
}

/** Writes an object anew while its members are told one after another; what is not told is copied. */
export class Splice {
  readonly #scan: Scan;
  readonly #target: SpliceTarget;
  /** Up to where the original has been copied or passed over. */
  #at = 0;
  #kept: number;
  #frontComma = -1;

  constructor(scan: Scan, target: SpliceTarget) {
    this.#scan = scan;
    this.#target = target;
    this.#kept = scan.count;
  }

  replace({ valueStart, end }: Member, value: string): void {
    this.#copyTo(valueStart);
    this.#target.insert(value);
    this.#at = end;
  }

  /**
   * A member goes with the comma before it. Only members at the front go with the comma after them, and so does each that
   * follows directly on such a one, because its comma before is gone.
   */
  remove({ start, end, commaBefore, commaAfter }: Member): void {
    this.#kept -= 1;
    if (commaBefore !== this.#frontComma) {
      this.#copyTo(commaBefore);
      this.#at = end;
      return;
    }
    this.#copyTo(start);
    this.#at = commaAfter < 0 ? end : commaAfter + 1;
    this.#frontComma = commaAfter;
  }

  /** @param added members to stand before the closing brace, with commas between them; may be empty */
  finish(added: string): void {
    const { close, bytes } = this.#scan;
    this.#copyTo(close);
    if (added !== '') this.#target.insert(this.#kept > 0 ? `,${added}` : added);
    this.#target.copy(this.#at, bytes.length);
  }

  #copyTo(to: number): void {
    if (to > this.#at) {
      this.#target.copy(this.#at, to);
      this.#at = to;
    }
  }
}
