/**
 * A stand-in for the model's tokenizer: stable, reversible enough for counts, and about as many tokens as a BPE makes.
 * Nothing in it is learned; only equality of prompts matters to the simulated KV cache.
 */
const pieces = /\s?[\p{L}\p{N}]{1,4}|\s+|[^\s\p{L}\p{N}]/gu;

/** Token ids below this are reserved for the chat template. */
const reserved = 3;
const start = 1;
const end = 2;

/** Token ids of a text; of a long one no more than `most`, as an engine stops where its context length ends. */
export function tokenize(text: string, vocabulary: number, most = Number.POSITIVE_INFINITY): number[] {
  const ids: number[] = [];
  for (const [piece] of text.matchAll(pieces)) {
    if (ids.length >= most) break;
    ids.push(reserved + (hashText(piece) % (vocabulary - reserved)));
  }
  return ids;
}

export function piecesOf(text: string): string[] {
  return text.match(pieces) ?? [];
}

/** Renders messages as `<|im_start|>role\ncontent<|im_end|>\n … <|im_start|>assistant`, the template of the recordings. */
export function tokenizeChat(
  messages: readonly { readonly role: string; readonly content: string }[],
  tools: string,
  vocabulary: number,
  most = Number.POSITIVE_INFINITY,
): number[] {
  const ids: number[] = [];
  const add = (text: string) => {
    for (const id of tokenize(text, vocabulary, most - ids.length)) ids.push(id);
  };
  const block = (text: string) => {
    ids.push(start);
    add(text);
  };
  if (tools !== '') {
    block(tools);
    ids.push(end);
  }
  for (const { role, content } of messages) {
    if (ids.length >= most) break;
    block(`${role}\n`);
    add(content);
    ids.push(end);
    add('\n');
  }
  block('assistant');
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
