/** More text than this is no start command. */
export const mostText = 64 * 1024;

/**
 * How many characters variables may still put into one command: they name each other, so that a page of them can stand
 * for more text than there is memory. Where it runs out a variable stays as written, and the command is not understood.
 */
export class TextBudget {
  #left = mostText;
  #exceeded = false;

  get exceeded(): boolean {
    return this.#exceeded;
  }

  /** Whether a text of this many characters may still be put in; it then counts. */
  take(length: number): boolean {
    if (length > this.#left) this.#exceeded = true;
    if (this.#exceeded) return false;
    this.#left -= length;
    return true;
  }
}
