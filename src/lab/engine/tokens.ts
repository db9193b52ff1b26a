/**
 * A stand-in for the model's tokenizer: stable, reversible enough for counts, and about as many tokens as a BPE makes.
 * Nothing in it is learned; only equality of prompts matters to the simulated KV cache.
 */
const pieces = /\s?[\p{L}\p{N}]{1,4}|\s+|[^\s\p{L}\p{N}]/gu;

/** Token ids below this are reserved for the chat template. */
const reserved = 3;
const start = 1;
const end = 2;

export function tokenize(text: string, vocabulary: number): number[] {
  return piecesOf(text).map((piece) => reserved + (hashText(piece) % (vocabulary - reserved)));
}

export function piecesOf(text: string): string[] {
  return text.match(pieces) ?? [];
}

/** Renders messages as `<|im_start|>role\ncontent<|im_end|>\n … <|im_start|>assistant`, the template of the recordings. */
export function tokenizeChat(
  messages: readonly { readonly role: string; readonly content: string }[],
  tools: string,
  vocabulary: number,
): number[] {
  const ids = tools === '' ? [] : [start, ...tokenize(tools, vocabulary), end];
  for (const { role, content } of messages) {
    ids.push(start, ...tokenize(`${role}\n`, vocabulary), ...tokenize(content, vocabulary), end);
    ids.push(...tokenize('\n', vocabulary));
  }
  ids.push(start, ...tokenize('assistant', vocabulary));
  return ids;
}

/**
 * Running hash after each token: entry `i` stands for the KV of token `i`, which depends on every token before it and on
 * the model. Two prompts agree at `i` exactly when they agree on all tokens up to `i`.
 */
export function chainOf(tokens: readonly number[], model: string): Uint32Array {
  const chain = new Uint32Array(tokens.length);
  let hash = hashText(model);
  for (let i = 0; i < tokens.length; i += 1) {
    hash = mix(hash ^ (tokens[i] ?? 0), i);
    chain[i] = hash;
  }
  return chain;
}

/** One well-spread 32-bit value from two. */
export function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ (b + 0x9e3779b9), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
