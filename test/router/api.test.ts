/** What clients meet: OpenAI's own client, curl, and those who get it wrong. Behind the router: simulated vLLM engines. */
import OpenAI, { APIError } from 'openai';
import t, { type Test } from 'tap';
import { startPair } from '../../src/lab/pairs.js';
import { podOf, type RouterLab, routeOf, routerLab, serverOf } from './lab.js';
import { connectClient, post, scriptedEngine, subnet } from './support.js';

const ip = subnet('api');
const ask = {
  model: 'tiny',
  messages: [{ role: 'user' as const, content: 'Hello, how are you today?' }],
  max_tokens: 6,
};
let hosts = 1;

async function pairLab(t: Test, advertisedHost?: string) {
  const abort = new AbortController();
  const [prefillHost, decodeHost] = [ip(hosts++), ip(hosts++)];
  const probe = await startPair({ prefillHost, decodeHost }, abort.signal);
  const { port } = probe.prefill.address;
  await probe.stop();
  const both = { port, ...(advertisedHost !== undefined && { advertisedHost }) };
  const pair = await startPair({ prefillHost, decodeHost, both }, abort.signal);
  t.teardown(() => pair.stop());
  const pods = [
    { name: 'p0', ip: prefillHost, role: 'prefill' },
    { name: 'd0', ip: decodeHost, role: 'decode' },
  ];
  const lab = await routerLab(t, { pods, server: serverOf(port), limits: { bodyBytes: 100_000, headerBytes: 8000 } });
  return { pair, lab, client: new OpenAI({ baseURL: `${lab.url}/v1`, apiKey: 'k', maxRetries: 0 }) };
}

t.test('a prefill/decode pair of strict engines behind the router', async (t) => {
  const { pair, lab, client } = await pairLab(t, '0.0.0.0');

  t.test('answers the official client, streamed and not, with one and the same text', async (t) => {
    const whole = await client.chat.completions.create(ask);
    t.equal(whole.usage?.completion_tokens, 6);
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let tokens: number | undefined;
    for await (const part of stream) {
      text += part.choices[0]?.delta.content ?? '';
      tokens = part.usage?.completion_tokens ?? tokens;
    }
    t.equal(text, whole.choices[0]?.message.content);
    t.equal(tokens, 6);
    const completion = await client.completions.create({ model: 'tiny', prompt: 'Hello', max_tokens: 3 });
    t.equal(completion.usage?.completion_tokens, 3);
  });

  t.test('hands over KV for each request, makes no wrong text, and holds nothing afterwards', async (t) => {
    const before = pair.decode.stats().transfers;
    await Promise.all(Array.from({ length: 16 }, (_, i) => client.chat.completions.create({ ...ask, seed: i })));
    t.equal(pair.decode.stats().transfers - before, 16);
    t.equal(pair.decode.stats().wrongTexts, 0);
    t.equal(pair.blocksHeld(), 0);
    t.same(
      pair.prefill
        .seen()
        .map(({ ended }) => ended)
        .filter((ended) => ended !== 'finished'),
      [],
    );
    t.match(await lab.metrics.render(), /repairs_total\{what="remote-host"\}/, 'although prefill advertises 0.0.0.0');
  });

  t.test('passes the engine’s own refusals on, and leaves no KV behind', async (t) => {
    const refused: readonly object[] = [
      { temperature: -1 },
      { temperature: 'hot' },
      { max_tokens: 1_000_000 },
      { max_tokens: 'many' },
      { min_tokens: 9 },
      { stream_options: { include_usage: true } },
      { messages: 'none' },
    ];
    for (const wrong of refused) {
      const error = await client.chat.completions
        .create({ ...ask, ...wrong } as never)
        .catch((error: unknown) => error);
      t.ok(error instanceof APIError && error.status === 400, `${JSON.stringify(wrong)}: ${String(error)}`);
    }
    t.equal(pair.blocksHeld(), 0);
    t.equal(pair.prefill.stats().isAlive && pair.decode.stats().isAlive, true);
  });

  t.test('is not harmed by parameters that would kill an engine', async (t) => {
    for (const kv_transfer_params of [
      { do_remote_prefill: true },
      { do_remote_prefill: true, do_remote_decode: true },
      'x',
      [],
    ]) {
      t.ok(await client.chat.completions.create({ ...ask, kv_transfer_params } as never));
    }
    t.equal(pair.decode.stats().diedOf, undefined);
  });

  t.test('aborts decode when a client leaves its stream, and holds nothing', async (t) => {
    const stream = await client.chat.completions.create({ ...ask, max_tokens: 2000, stream: true });
    for await (const _ of stream) break;
    await pair.decode.untilSeen((seen) => seen.at(-1)?.ended === 'aborted');
    t.equal(pair.blocksHeld(), 0);
  });

  t.test('lists the models that its routes name', async (t) => {
    t.match(await (await fetch(`${lab.url}/v1/models`)).json(), {
      object: 'list',
      data: [{ id: 'tiny', object: 'model' }],
    });
    t.equal((await client.models.retrieve('tiny')).id, 'tiny');
    await t.rejects(client.models.retrieve('nope'), { status: 404, code: 'unknown-model' });
  });
});

t.test('what misuse gets: a status, a code and what to do', async (t) => {
  const { lab, client, pair } = await pairLab(t);
  const raw = async (bytes: string): Promise<string> => {
    const connection = connectClient(lab.port, bytes);
    await connection.received('\r\n\r\n');
    await connection.received('}}');
    connection.leave();
    return connection.text();
  };
  const requests: readonly [string, string, RegExp][] = [
    ['broken JSON', post('{"model": "tiny", }'), /^HTTP\/1\.1 400 [\s\S]*"code":"bad-json"/],
    ['an empty body', post(''), /^HTTP\/1\.1 400 [\s\S]*byte 0[\s\S]*"code":"bad-json"/],
    [
      'no model',
      post({ messages: [] }),
      /^HTTP\/1\.1 400 [\s\S]*set \\"model\\" to one of: tiny[\s\S]*"code":"no-model"/,
    ],
    [
      'an unknown model',
      post({ model: 'nope' }),
      /^HTTP\/1\.1 404 [\s\S]*known: tiny[\s\S]*"param":"model","code":"unknown-model"/,
    ],
    [
      'text/plain',
      post('x').replace('application/json', 'text/plain'),
      /^HTTP\/1\.1 415 [\s\S]*"code":"bad-content-type"/,
    ],
    [
      'an upload',
      post('x').replace('application/json', 'multipart/form-data; boundary=x'),
      /^HTTP\/1\.1 415 [\s\S]*files such as audio cannot be sent through here[\s\S]*"code":"bad-content-type"/,
    ],
    [
      'a compressed body',
      post('x', 'content-encoding: gzip\r\n'),
      /^HTTP\/1\.1 415 [\s\S]*"code":"bad-content-encoding"/,
    ],
    [
      'a body above the limit',
      post('x'.repeat(100_001)),
      /^HTTP\/1\.1 413 [\s\S]*connection: close[\s\S]*"code":"body-too-large"/,
    ],
    [
      'GET',
      'GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n',
      /^HTTP\/1\.1 405 [\s\S]*allow: POST[\s\S]*"code":"wrong-method"/,
    ],
    ['another path', 'GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1\.1 404 [\s\S]*"code":"unknown-path"/],
    [
      'headers without end',
      `GET /v1/models HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(5000)}`,
      /^HTTP\/1\.1 431 [\s\S]*"code":"headers-too-large"/,
    ],
    ['no HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*"code":"bad-http"/],
    [
      'a length beside chunks',
      'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a space before a colon',
      'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length : 3\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'two lengths',
      'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
  ];
  for (const [what, bytes, expected] of requests) {
    t.test(what, async (t) => t.match(await raw(bytes), expected));
  }

  t.test('chunked bodies and Expect: 100-continue are no misuse', async (t) => {
    const body = JSON.stringify(ask);
    const chunks = `${body.length.toString(16)};x=y\r\n${body}\r\n0\r\nx-trailer: 1\r\n\r\n`;
    const head =
      'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n';
    const client = connectClient(lab.port, head);
    await client.received('100 Continue');
    client.leave();
    const whole = connectClient(lab.port, head.replace('expect: 100-continue\r\n', '') + chunks);
    await whole.received('"object":"chat.completion"');
    whole.leave();
    t.equal(pair.prefill.seen().at(-1)?.headers['content-length'] !== undefined, true, 'engines get a length');
  });

  t.test('no ready pair', async (t) => {
    const { cluster } = lab;
    cluster.pods.put(podOf({ name: 'd0', ip: ip(2), role: 'decode', ready: false }));
    const error = await client.chat.completions.create(ask).catch((error: unknown) => error as APIError);
    t.match(error, { status: 503, code: 'no-ready-pair', message: /no decode pod is ready.*retry/ });
    t.equal((error as APIError).headers?.get('retry-after'), '1');
    cluster.modelServers.remove(cluster.modelServers.list()[0] as never);
    await t.rejects(client.chat.completions.create(ask), { status: 503, code: 'no-model-server' });
  });
});

t.test('order and readiness', async (t) => {
  t.test('it does not matter which object comes first', async (t) => {
    const { lab, client } = await pairLab(t);
    const { pods, modelServers, modelRoutes } = lab.cluster;
    const [server, route, all] = [modelServers.list(), modelRoutes.list(), pods.list()];
    const empty = () => {
      for (const map of [pods, modelServers, modelRoutes]) map.replaceAll([] as never);
    };
    const steps = [
      () => pods.replaceAll(all),
      () => modelServers.replaceAll(server),
      () => modelRoutes.replaceAll(route),
    ];
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      empty();
      for (const step of order) {
        steps[step]?.();
        await client.chat.completions.create(ask).catch(() => undefined); // whoever asks too early must not be remembered
      }
      t.ok(await client.chat.completions.create(ask), order.join());
    }
  });

  t.test('a pod whose labels no longer match gets no more requests', async (t) => {
    const { lab, client } = await pairLab(t);
    const pod = lab.cluster.pods.get('default', 'd0');
    t.ok(await client.chat.completions.create(ask));
    if (pod) lab.cluster.pods.put({ ...pod, metadata: { ...pod.metadata, labels: {} } });
    await t.rejects(client.chat.completions.create(ask), { code: 'no-ready-pair' });
  });

  t.test('a pod that is being deleted gets no more requests, although it is still ready', async (t) => {
    const { lab, client } = await pairLab(t);
    const pod = lab.cluster.pods.get('default', 'p0');
    if (pod) lab.cluster.pods.put({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
    await t.rejects(client.chat.completions.create(ask), { code: 'no-ready-pair' });
  });

  t.test('a new route serves at once', async (t) => {
    const { lab, client } = await pairLab(t);
    lab.cluster.modelRoutes.put(routeOf('other', {}, 'second'));
    const error = await client.chat.completions.create({ ...ask, model: 'other' }).catch((error: unknown) => error);
    t.match(error, { status: 404, message: /does not exist/ }, 'what the engine says of it is passed on');
    t.same(
      (await client.models.list()).data.map(({ id }) => id),
      ['other', 'tiny'],
    );
  });
});

t.test('above its limit of requests in flight it says so at once', async (t) => {
  const pods = [
    { name: 'p0', ip: ip(250), role: 'prefill' },
    { name: 'd0', ip: ip(251), role: 'decode' },
  ];
  const silent = await scriptedEngine(t, ip(250), 0, () => undefined);
  const lab = await routerLab(t, { pods, server: serverOf(silent.port), limits: { requestsInFlight: 2 } });
  const waiting = [1, 2].map(() => connectClient(lab.port, post(ask)));
  await silent.arrived(1);
  const third = connectClient(lab.port, post(ask));
  await third.received('"code":"overloaded"');
  t.match(third.text(), /^HTTP\/1\.1 503 [\s\S]*retry-after: 1/i);
  for (const client of [...waiting, third]) client.leave();

  const full = await routerLab(t, { pods, server: serverOf(silent.port), limits: { bodyBytesInFlight: 50 } });
  const large = connectClient(full.port, post(ask));
  await large.received('"code":"overloaded"');
  t.match(large.text(), /50 bytes of requests/, 'the same for the memory that bodies take');
  large.leave();
});

t.test('what is inferred or looks wrong is said', async (t) => {
  const { kvConnector: _, ...spec } = serverOf(1).spec;
  const server = { ...serverOf(1), spec: { ...spec, trafficPolicy: { timeout: '10s' } } };
  const pods = [{ name: 'p0', ip: ip(252), role: 'prefill', labels: { 'tandem.dev/dialect': 'layerwise' } }];
  const lab = await routerLab(t, { pods, server });
  const response = await fetch(`${lab.url}/v1/completions`, {
    method: 'POST',
    body: '{"model":"tiny","prompt":"x"}',
    headers: { 'content-type': 'application/json' },
  });
  t.equal(response.status, 501);
  t.match(await response.json(), {
    error: { code: 'dialect-not-spoken', message: /layerwise.*it speaks nixl-pull, two-step/ },
  });
  t.match(
    await lab.metrics.render(),
    /tandem_router_dialect\{model_server="default\/m",dialect="layerwise",from="label"\} 1/,
  );
});

t.test('/healthz, /readyz and /metrics answer beside the API', async (t) => {
  const { lab } = await pairLab(t);
  const get = async (path: string) => (await fetch(lab.url + path)).text();
  t.equal(await get('/healthz'), 'ok\n');
  t.equal(await get('/readyz'), 'ready\n');
  t.match(await get('/metrics'), /tandem_router_requests_in_flight 0/);
});

t.test('when it stops, nothing of the router is left', async (t) => {
  const { lab, client } = await pairLab(t);
  await client.chat.completions.create(ask);
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await lab.running.stop();
  await stopsListening(lab);
  t.ok(timers() <= 2, `${timers()} timers`);
});

async function stopsListening({ url }: RouterLab): Promise<void> {
  const error = await fetch(url).catch((error: unknown) => error);
  if (!(error instanceof Error)) throw new Error('still listens');
}
