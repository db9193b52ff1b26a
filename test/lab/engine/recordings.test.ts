/**
 * The simulator beside recordings of vLLM 0.32.0: the same request in, the same answer out.
 *
 * Compared exactly: status; header names and their values except date, content-length and a minted x-request-id; the
 * whole body of every refusal and failure; in other bodies all keys with their order, types and values, and in streams
 * the number and order of chunks.
 * Compared loosely, by type only: ids that the engine mints, `created`, `system_fingerprint`, generated text, counts of
 * prompt tokens (another tokenizer), and of a hand-over the block ids, engine id and 8 random hex digits.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import t, { type Test } from 'tap';
import { startEngine } from '../../../src/lab/engine/start.js';
import { type Pair, startPair } from '../../../src/lab/pairs.js';

const folder = new URL('../../../../test/fixtures/vllm-0.32/', import.meta.url);

interface Message {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Recording {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly answer: Message;
}

function readRecording(name: string): Recording {
  const text = readFileSync(new URL(`${name}.txt`, folder), 'utf8');
  const lines = text.split('\n');
  const asked = lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2));
  const first = lines.findIndex((line) => line.startsWith('< HTTP '));
  const blank = lines.indexOf('', first);
  const [method = '', path = ''] = asked[0]?.split(' ') ?? [];
  const headers = Object.fromEntries(
    lines.slice(first + 1, blank).map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(2, colon), line.slice(colon + 2)];
    }),
  );
  return {
    name,
    method,
    path,
    headers: JSON.parse((asked[1] ?? '').replace('headers ', '')) as Record<string, string>,
    body: asked.slice(2).join('\n'),
    answer: {
      status: Number(lines[first]?.split(' ')[2]),
      headers,
      body: lines
        .slice(blank + 1)
        .join('\n')
        .trim(),
    },
  };
}

/** Raw HTTP: no client library that adds headers or insists on a body. */
function send(url: string, recording: Recording, body = recording.body): Promise<Message> {
  return new Promise((resolve, reject) => {
    const { method, path, headers } = recording;
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''));
    const call = request(
      `${url}${path}`,
      { method, headers: { ...given, 'content-length': Buffer.byteLength(body) }, agent: false },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers as Record<string, string>,
            body: Buffer.concat(parts).toString('utf8').trim(),
          }),
        );
      },
    );
    call.on('error', reject);
    // Headers sent together with a text body would take the body's encoding.
    call.end(Buffer.from(body));
  });
}

/** Members whose value only has to be of the recorded type. */
const loose = new Set([
  'id',
  'created',
  'system_fingerprint',
  'content',
  'text',
  'prompt_tokens',
  'total_tokens',
  'token_ids',
  'prompt_token_ids',
  'count',
  'tokens',
  'token_strs',
]);
const looseInHandover = new Set([
  'remote_block_ids',
  'remote_engine_id',
  'remote_request_id',
  'remote_host',
  'remote_num_tokens',
  'remote_prefill_cached_tokens',
]);

/** The value with everything loose replaced by its type, keys in their order, as one text. */
function shape(value: unknown, given: string | undefined, inHandover = false): unknown {
  if (Array.isArray(value)) return value.map((item) => shape(item, given, inHandover));
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value).map(([key, member]) => {
    const within = inHandover || key === 'kv_transfer_params';
    const isLoose = loose.has(key) || (within && looseInHandover.has(key));
    if (key === 'id' && given !== undefined) return [key, member];
    return [key, isLoose && member !== null ? typeName(member) : shape(member, given, within)];
  });
}

const typeName = (value: unknown): string => (Array.isArray(value) ? 'list' : typeof value);

function bodyShape({ headers, body }: Message, given: string | undefined): unknown {
  if (headers['content-type']?.startsWith('text/event-stream')) {
    return body
      .split('\n\n')
      .map((event) => event.replace(/^data: /, ''))
      .map((data) => (data === '[DONE]' ? data : shape(JSON.parse(data), given)));
  }
  if (!headers['content-type']?.startsWith('application/json') || body === '') return body;
  const parsed = JSON.parse(body) as Record<string, unknown>;
  return 'error' in parsed || 'detail' in parsed ? body : shape(parsed, given);
}

function compare(t: Test, got: Message, { answer, headers }: Recording): void {
  const given = headers['x-request-id'];
  t.equal(got.status, answer.status, 'status');
  const names = Object.keys(answer.headers).filter((name) => name !== 'date');
  for (const name of names) {
    const isMinted = name === 'content-length' || (name === 'x-request-id' && given === undefined);
    if (isMinted) t.ok(got.headers[name], name);
    else t.equal(got.headers[name], answer.headers[name], name);
  }
  t.same(
    Object.keys(got.headers).filter((name) => !names.includes(name) && !['date', 'connection'].includes(name)),
    [],
    'no further headers',
  );
  t.same(bodyShape(got, given), bodyShape(answer, given), 'body');
}

/** Recordings of routes and fields that the simulator does not have, each with what it does instead. */
const notReplayed: Readonly<Record<string, string>> = {
  'batch-chat': '501',
  detokenize: '501',
  'messages-bad-model': '501',
  'messages-no-max': '501',
  'messages-ok': '501',
  'messages-stream': '501',
  'responses-ok': '501',
  'responses-prev': '404',
  'responses-stream': '501',
  'responses-unknown-model': '501',
  logprobs: 'answers without logprobs; the recording has no answer',
  'logprobs-stream': 'answers without logprobs',
  'compl-logprobs': 'answers without logprobs',
  prompt_logprobs: 'answers without prompt logprobs',
  'stop-string': 'the text decides whether a stop string is met',
  'max-tokens-exact-over': 'the text decides when the model ends it',
  'n2-stream': 'the real engine joined and interleaved the chunks of two choices as its load allowed',
};

const plainNames = readdirSync(new URL('plain/', folder))
  .filter((file) => file.endsWith('.txt'))
  .map((file) => file.slice(0, -4));

void t.test('one engine answers as the recorded one', async (t) => {
  const engine = await startEngine(
    {
      host: '127.0.1.1',
      port: 0,
      models: ['tiny'],
      modelPath: '/models/tiny',
      maxModelLen: 2048,
      blocks: 200,
      blockSize: 32,
      vocabulary: 512,
      timing: { tokenMs: 1 },
    },
    new AbortController().signal,
  );
  t.teardown(() => engine.stop());
  for (const name of plainNames.filter((name) => !(name in notReplayed))) {
    await t.test(name, async (t) => {
      const recording = readRecording(`plain/${name}`);
      compare(t, await send(engine.url, recording), recording);
    });
  }
  await t.test('/v1/models', async (t) => {
    const got = (await (
      await fetch(`${engine.url}/v1/models`, { headers: { connection: 'close' } })
    ).json()) as unknown;
    const recorded = JSON.parse(readFileSync(new URL('plain/v1/models.body', folder), 'utf8')) as unknown;
    t.same(shape(got, undefined), shape(recorded, undefined));
  });
  await t.test('/metrics uses recorded names only', async (t) => {
    const known = new Set(
      readFileSync(new URL('metric-names.txt', folder), 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    );
    const text = await (await fetch(`${engine.url}/metrics`, { headers: { connection: 'close' } })).text();
    const types = [...text.matchAll(/^# TYPE (\S+ \S+)$/gm)].map((match) => match[1] ?? '');
    t.same(
      types.filter((type) => type.startsWith('vllm:') && !known.has(type)),
      [],
    );
  });
  await t.test('every recorded route is known, with its methods', async (t) => {
    const lines = readFileSync(new URL('routes.txt', folder), 'utf8').split('\n');
    const routes = lines.map((line) => /^(\S+), Methods: (.+)$/.exec(line)).filter((match) => match !== null);
    for (const [, path = '', methods = ''] of routes) {
      if (path.includes('{')) continue;
      for (const method of methods.split(', ')) {
        const answer = await send(engine.url, {
          name: path,
          method,
          path,
          headers: {},
          body: '',
          answer: { status: 0, headers: {}, body: '' },
        });
        t.not([404, 405].includes(answer.status), true, `${method} ${path}`);
      }
    }
  });
});

const nixlOptions = {
  both: {
    maxModelLen: 2048,
    blocks: 200,
    blockSize: 32,
    vocabulary: 512,
    timing: { tokenMs: 0, handshakeTimeoutMs: 10 },
  },
};
const nixlNames = readdirSync(new URL('nixl/', folder)).map((file) => file.slice(0, -4));
/** Whether a stop string is met is decided by the text: prefill-leg.test.ts has that case. */
const isFirstLeg = (name: string) => /^e-leg1|^k-leg1|^01-leg1|^c-leg1/.test(name) && !name.endsWith('stop_string');

void t.test('prefill answers as the recorded one', async (t) => {
  for (const name of nixlNames.filter(isFirstLeg)) {
    await t.test(name, async (t) => {
      await using pair = await startPair(nixlOptions, new AbortController().signal);
      const recording = readRecording(`nixl/${name}`);
      const answer = await send(pair.prefill.url, recording);
      compare(t, answer, recording);
      const handover = handoverOf(answer);
      if (handover) t.match(handover['remote_request_id'], /^(\d_)?(chat)?cmpl-.+-[0-9a-f]{8}$/);
    });
  }
});

const handoverOf = ({ body }: Message): Record<string, unknown> | undefined =>
  body.startsWith('{')
    ? ((JSON.parse(body) as Record<string, unknown>)['kv_transfer_params'] as Record<string, unknown>)
    : undefined;

/** Does leg 1 for the prompt of a recorded leg 2, and returns that leg 2 with the simulator's own hand-over in it. */
async function replaySecondLeg(pair: Pair, recording: Recording): Promise<Message> {
  const asked = JSON.parse(recording.body) as Record<string, unknown>;
  const recorded = asked['kv_transfer_params'] as Record<string, unknown> | undefined;
  const { stream_options: _, ...leg1 } = asked;
  const prefill = {
    ...leg1,
    model: 'tiny',
    temperature: 0,
    n: 1,
    stream: false,
    max_tokens: 1,
    kv_transfer_params: { do_remote_decode: true, do_remote_prefill: false },
  };
  const first = await send(pair.prefill.url, { ...recording, answer: recording.answer }, JSON.stringify(prefill));
  const issued = handoverOf(first) ?? {};
  const change = deviations[recording.name.slice('nixl/'.length)] ?? ((handover) => handover);
  const handover = recorded && change(issued, pair);
  return send(
    pair.decode.url,
    recording,
    JSON.stringify({ ...asked, ...(handover && { kv_transfer_params: handover }) }),
  );
}

type Params = Record<string, unknown>;
const idsOf = (params: Params): number[][] => params['remote_block_ids'] as number[][];

/** What the recorded leg 2 changed in the hand-over it had got. */
const deviations: Readonly<Record<string, (issued: Params, pair: Pair) => Params>> = {
  'c-bogus-engine-id': (issued) => ({ ...issued, remote_engine_id: '00000000-0000-0000-0000-000000000000' }),
  'c-bogus-request-id': (issued) => ({ ...issued, remote_request_id: 'chatcmpl-nope-12345678' }),
  'c-closed-port': (issued) => ({ ...issued, remote_engine_id: 'zz-closed', remote_port: 5999 }),
  'crash-do_remote_prefill-only': () => ({ do_remote_prefill: true }),
  'x-block-out-of-range': (issued) => ({
    ...issued,
    remote_block_ids: idsOf(issued).map((ids) => ids.map((id) => id + 5000)),
  }),
  'x-extra-key': (issued) => ({ ...issued, foo: 'bar' }),
  'x-fewer-blocks': (issued) => ({ ...issued, remote_block_ids: idsOf(issued).map((ids) => ids.slice(0, 3)) }),
  'x-rejected-with-bare-params': () => ({ do_remote_prefill: true }),
};

const secondLegs = [
  '01-leg2-chat',
  'c-bogus-engine-id',
  'c-bogus-request-id',
  'c-closed-port',
  'c-leg2-cached',
  'crash-do_remote_prefill-only',
  'k-leg2-compl',
  'k-leg2-compl_batch',
  'k-leg2-compl_echo',
  'k-leg2-compl_ids',
  'k-leg2-compl_short',
  'rej-bad_temperature',
  'rej-max_tokens_over',
  'rej-stream_options_nostream',
  'rej-unknown_model',
  'rej-validation_error',
  's-leg2-stream-usage',
  'x-block-out-of-range',
  'x-fewer-blocks',
  'x-rejected-with-bare-params',
];

void t.test('decode answers as the recorded one', async (t) => {
  for (const name of secondLegs) {
    await t.test(name, async (t) => {
      await using pair = await startPair(nixlOptions, new AbortController().signal);
      const recording = readRecording(`nixl/${name}`);
      compare(t, await replaySecondLeg(pair, recording), recording);
    });
  }
});
