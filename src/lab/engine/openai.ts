import { randomBytes } from 'node:crypto';
import { acceptRequest } from './accept.js';
import { badRequest, Refusal, wrongContentType } from './answers.js';
import type { EngineCore, Sequence, SequenceEnd } from './core.js';
import type { Exchange } from './exchange.js';
import type { Resolved } from './options.js';
import type { EngineRequest } from './request.js';
import { type Body, readBody } from './schema.js';
import type { Seen } from './seen.js';
import { type Shapes, shapesOf } from './shapes.js';

export interface Work {
  readonly exchange: Exchange;
  readonly kind: EngineRequest['kind'];
  readonly text: string;
  readonly seen: Seen;
  readonly cut: AbortController;
  readonly dropParams: boolean;
}

/** `/v1/chat/completions` and `/v1/completions`, from the bytes of the body to the last byte of the answer. */
export async function answerOpenAI(core: EngineCore, options: Resolved, work: Work): Promise<void> {
  const { exchange, seen } = work;
  try {
    const request = readRequest(core, options, work);
    seen.received = request.params;
    const shapes = shapesOf(request, options, Math.floor(options.clock.now() / 1000));
    if (request.stream) await stream(core, request, shapes, work);
    else await plain(core, request, shapes, work);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(exchange, error, work);
  }
}

function refuse(exchange: Exchange, { answer }: Refusal, { seen, cut }: Work): void {
  seen.status = answer.status;
  seen.ended = cut.signal.reason === 'client' ? 'aborted' : answer.status >= 500 ? 'failed' : 'refused';
  if (seen.ended === 'aborted') return;
  // Once a stream is open the real server can only report the failure inside it.
  if (exchange.hasStarted) {
    exchange.event(answer.body);
    exchange.endStream();
  } else exchange.send(answer);
}

function readRequest(core: EngineCore, options: Resolved, { exchange, kind, text }: Work): EngineRequest {
  const type = exchange.request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!/^application\/([\w.-]+\+)?json$/.test(type)) throw wrongContentType();
  const body = readBody(text, kind);
  try {
    const id = exchange.givenId ?? (body['request_id'] as string | undefined) ?? randomBytes(8).toString('hex');
    checkRank(exchange.request.headers['x-data-parallel-rank'], options.dataParallel);
    return acceptRequest(body, kind, id, options);
  } catch (error) {
    if (error instanceof Refusal && error.stage === 'request') queueMicrotask(() => core.refused(paramsOf(body)));
    throw error;
  }
}

const paramsOf = (body: Body) => body['kv_transfer_params'] as Readonly<Record<string, unknown>> | undefined;

function checkRank(header: string | string[] | undefined, size: number): void {
  const rank = Number(header);
  if (header === undefined || !Number.isInteger(rank) || (rank >= 0 && rank < size)) return;
  throw badRequest(`data_parallel_rank ${rank} is out of range [0, ${size}).`);
}

function sequencesOf(request: EngineRequest, dropParams: boolean): readonly Sequence[] {
  return request.prompts.flatMap((prompt, promptIndex) =>
    Array.from({ length: request.n }, (_, choice) => {
      const own = request.kind === 'chat' ? request.id : `${request.id}-${promptIndex}`;
      const child = request.n > 1 ? `${choice}_${own}` : own;
      return {
        requestId: `${child}-${randomBytes(4).toString('hex')}`,
        tokens: prompt.tokens,
        choice,
        maxTokens: request.maxTokens,
        minTokens: request.minTokens,
        ignoreEos: request.ignoreEos,
        stop: request.stop,
        params: request.params,
        stream: request.stream,
        dropParams,
      };
    }),
  );
}

async function plain(core: EngineCore, request: EngineRequest, shapes: Shapes, work: Work): Promise<void> {
  const { exchange, seen, cut, dropParams } = work;
  const said = (piece: string) => {
    seen.text += piece;
  };
  const ends = await runAll(sequencesOf(request, dropParams), cut, (sequence) => core.run(sequence, cut, said));
  if (cut.signal.reason === 'client') {
    seen.ended = 'aborted';
    return;
  }
  seen.handover = ends.find((end) => end.handover)?.handover;
  seen.status = 200;
  seen.ended = 'finished';
  exchange.send({ status: 200, body: shapes.plain(ends) });
}

/** Runs all choices; the first failure cuts the others, and is what the request ends with. */
async function runAll(
  sequences: readonly Sequence[],
  cut: AbortController,
  run: (sequence: Sequence, index: number) => Promise<SequenceEnd>,
): Promise<SequenceEnd[]> {
  const settled = await Promise.allSettled(
    sequences.map((sequence, index) =>
      run(sequence, index).catch((error: unknown) => {
        cut.abort('failed');
        throw error;
      }),
    ),
  );
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

async function stream(core: EngineCore, request: EngineRequest, shapes: Shapes, work: Work): Promise<void> {
  const { exchange, seen, cut, dropParams } = work;
  let total = 0;
  const open = () => {
    if (exchange.hasStarted) return;
    exchange.openStream();
    for (let index = 0; index < request.n * request.prompts.length; index += 1) {
      const opening = shapes.opening(index);
      if (opening !== undefined) exchange.event(opening);
    }
  };
  const runOne = async (sequence: Sequence, index: number) => {
    let echo = request.echo ? (request.prompts[Math.floor(index / request.n)]?.text ?? '') : '';
    const end = await core.run(sequence, cut, (piece, id, final) => {
      open();
      total += 1;
      seen.text += piece;
      const text = echo + piece;
      echo = '';
      exchange.event(final ? shapes.last(index, text, id, final, total) : shapes.chunk(index, text, id, total), true);
    });
    open();
    if (end.finish === 'abort') exchange.event(shapes.last(index, '', undefined, end, total), true);
    return end;
  };
  await runAll(sequencesOf(request, dropParams), cut, runOne);
  if (cut.signal.reason === 'client') {
    seen.ended = 'aborted';
    return;
  }
  const usage = shapes.usage(total);
  if (usage !== undefined) exchange.event(usage);
  exchange.endStream();
  seen.status = 200;
  seen.ended = 'finished';
}
