/** A request after validation, with every default filled in. */
export interface EngineRequest {
  readonly kind: 'chat' | 'completion';
  /** The id of the answer: `chatcmpl-…` or `cmpl-…`. */
  readonly id: string;
  readonly model: string;
  readonly prompts: readonly Prompt[];
  readonly n: number;
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stop: readonly string[];
  readonly temperature: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
  readonly echo: boolean;
  readonly returnTokenIds: boolean;
  readonly params: Readonly<Record<string, unknown>> | undefined;
}

export interface Prompt {
  readonly tokens: readonly number[];
  readonly text: string;
}
