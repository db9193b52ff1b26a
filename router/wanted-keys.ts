/** Longest name that is ever asked for, in bytes. */
const longestName = 64;

/** The member names that a scan is to find: plain ASCII words, and one prefix. Told by their bytes, without making texts. */
export class WantedKeys {
  readonly #byLength: (readonly string[])[] = [];
  readonly #prefix: string | undefined;

  constructor(names: readonly string[], prefix?: string) {
    for (const name of names) this.#byLength[name.length] = [...(this.#byLength[name.length] ?? []), name];
    this.#prefix = prefix;
  }

  /** The name between these offsets, which holds no escape; undefined when it is not wanted. */
  in(bytes: Buffer, from: number, to: number): string | undefined {
    const names = this.#byLength[to - from];
    if (names) for (const name of names) if (isAt(bytes, from, name)) return name;
    const prefix = this.#prefix;
    if (prefix === undefined || to - from > longestName || !isAt(bytes, from, prefix)) return undefined;
    return bytes.toString('utf8', from, to);
  }

  /** The same for a name that had to be decoded. */
  named(name: string): string | undefined {
    const bytes = Buffer.from(name);
    return bytes.length > longestName ? undefined : this.in(bytes, 0, bytes.length);
  }
}

function isAt(bytes: Buffer, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (bytes[from + i] !== text.charCodeAt(i)) return false;
  return true;
}
