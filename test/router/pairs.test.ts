/** What pd-protocols A.0.1 asks of a router, on real sockets: what a pair that works gets, and what is not split. */
import t from 'tap';
import { ask, decodeOk, nextAddress, prefillOk, request, scene, streamOk } from './pair-scene.js';
import {
  type Arrived,
  answer,
  chunk,
  completion,
  connectClient,
  event,
  post,
  prefilled,
  type Script,
  sseHead,
  token,
  until,
} from './support.js';

t.test('a pair that works', async (t) => {
  t.test(
    'gets exactly the surgery of pd-protocols A.0.1 on prefill, and the handover digit by digit on decode',
    async (t) => {
      const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [streamOk] });
      const body = `{"model":"tiny","seed":9007199254740993,"messages":[{"role":"user","content":"é\\u00e9"}],"stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":12,"min_tokens":5,"temperature":0.70}`;
      const client = connectClient(
        lab.port,
        post(body, 'x-request-id: r-1\r\nauthorization: Bearer k\r\naccept-encoding: gzip\r\n'),
      );
      await client.received('[DONE]');
      client.leave();
      t.equal(
        p[0]?.requests[0]?.body,
        `{"model":"tiny","seed":9007199254740993,"messages":[{"role":"user","content":"é\\u00e9"}],"stream":false,"max_completion_tokens":1,"min_tokens":1,"temperature":0.70,"max_tokens":1,"kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}}`,
      );
      t.equal(
        d[0]?.requests[0]?.body,
        `${body.slice(0, -1)},"kv_transfer_params":{"do_remote_prefill":true,"remote_host":"10.9.9.9","remote_port":5600,"remote_engine_id":9007199254740993,"remote_block_ids":[[1,2]]}}`,
      );
      for (const { head } of [p[0]?.requests[0], d[0]?.requests[0]] as Arrived[]) {
        t.match(head, /x-request-id: r-1\r\n/);
        t.match(head, /authorization: Bearer k\r\n/i);
        t.notMatch(head, /accept-encoding/i, 'a compressed answer could not be watched');
      }
    },
  );

  t.test('is named in the answer with the time of both legs, under the id of the request', async (t) => {
    const { lab } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    const { headers, text } = await request(lab);
    t.equal(headers.get('x-tandem-pair'), 'p0,d0');
    t.match(headers.get('server-timing'), /^prefill;dur=[\d.]+, decode;dur=[\d.]+$/);
    const id = headers.get('x-request-id') ?? '';
    t.match(id, /^[0-9a-f-]{36}$/);
    t.equal(text, completion('hello'), 'the answer is passed on byte for byte');
    t.match(await lab.logged(id), {
      status: 200,
      legs: [
        { leg: 'prefill', pod: 'p0' },
        { leg: 'decode', pod: 'd0' },
      ],
      tokens_out: 3,
    });
  });

  t.test('streams chunk by chunk, each as soon as it comes, framed as the engine framed it', async (t) => {
    const held: Arrived[] = [];
    const { lab } = await scene(t, { prefill: [prefillOk], decode: [(request) => void held.push(request)] });
    const client = connectClient(lab.port, post({ ...ask, stream: true }));
    await until(() => held.length > 0);
    const { socket } = held[0] as Arrived;
    const odd = `5;x=1\r\n: hi\n\r\n${chunk('\n')}`;
    socket.write(sseHead + odd);
    await client.received(odd);
    socket.write(event(token('a')));
    await client.received('"content":"a"');
    socket.write(`${event('[DONE]')}0\r\nx-trailer: 1\r\n\r\n`);
    await client.received('[DONE]');
    await client.received('0\r\n\r\n');
    t.notMatch(client.text(), /x-trailer/, 'trailers are dropped');
    client.leave();
  });

  t.test('gets no parameter from the client that only a router may set', async (t) => {
    const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    await request(lab, {
      ...ask,
      kv_transfer_params: { do_remote_prefill: true, remote_host: 'evil' },
      bootstrap_host: 'evil',
    });
    t.notMatch(p[0]?.requests[0]?.body, /evil/);
    t.notMatch(d[0]?.requests[0]?.body, /evil/);
    await request(lab, { ...ask, n: 2, kv_transfer_params: { do_remote_prefill: true } });
    t.notMatch(d[0]?.requests[1]?.body, /kv_transfer_params/, 'not when it is sent whole either');
    t.match(await lab.metrics.render(), /tandem_router_repairs_total\{what="client-params"\} 2/);
  });

  for (const [what, vllm_xargs, left] of [
    ['text that ends the engine', '{"kv_transfer_params":"x","top":[1.0]}', '{"top":[1.0]}'],
    ['written with an escape', '{"a":1,"kv_transfer_param\\u0073":"x"}', '{"a":1}'],
    ['given twice', '{"ec_transfer_params":"x","a":1,"ec_transfer_params":"y"}', '{"a":1}'],
    ['nothing else', '{"bootstrap_room":1}', '{}'],
  ] as const) {
    t.test(`gets none of these among the engine's own arguments either: ${what}`, async (t) => {
      const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
      for (const n of [1, 2]) {
        const body = JSON.stringify({ ...ask, n }).replace(/}$/, `,"vllm_xargs":${vllm_xargs}}`);
        const client = connectClient(lab.port, post(body, 'connection: close\r\n'));
        await client.ended;
        t.match(client.text(), /^HTTP\/1\.1 200/);
      }
      const legs = [p[0]?.requests[0], d[0]?.requests[0], d[0]?.requests[1]] as Arrived[];
      for (const { body } of legs) t.ok(body.includes(`"vllm_xargs":${left}`), body);
      t.match(await lab.metrics.render(), /tandem_router_repairs_total\{what="client-params"\} 2/);
    });
  }

  t.test('gets the arguments of an engine as they came when there is nothing wrong with them', async (t) => {
    const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    for (const [i, vllm_xargs] of ['{ "top" : [1.0, "x"] }', '"x"', 'null'].entries()) {
      const body = JSON.stringify(ask).replace(/}$/, `,"vllm_xargs":${vllm_xargs}}`);
      const client = connectClient(lab.port, post(body, 'connection: close\r\n'));
      await client.ended;
      t.ok(p[0]?.requests[i]?.body.includes(`"vllm_xargs":${vllm_xargs}`));
      t.ok(d[0]?.requests[i]?.body.includes(`"vllm_xargs":${vllm_xargs}`));
    }
    t.notMatch(await lab.metrics.render(), /client-params/);
  });

  t.test('is not asked when the arguments of an engine cannot be read', async (t) => {
    const { lab, p } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
    const often = Array.from({ length: 65 }, () => '"kv_transfer_params":1').join();
    const body = JSON.stringify(ask).replace(/}$/, `,"vllm_xargs":{${often}}}`);
    const client = connectClient(lab.port, post(body, 'connection: close\r\n'));
    await client.ended;
    t.match(client.text(), /^HTTP\/1\.1 400 [\s\S]*"bad-json"/);
    t.match(client.text(), /more than 64 members say what the router reads; give each name once/);
    t.equal(p[0]?.requests.length, 0);
  });

  for (const host of ['0.0.0.0', '::', 'localhost', '127.0.0.1', '']) {
    t.test(`dials the prefill pod although it advertises "${host}"`, async (t) => {
      const script: Script = ({ socket }) => void socket.write(answer(200, prefilled('1', host)));
      const { lab, d } = await scene(t, { prefill: [script], decode: [decodeOk] });
      await request(lab);
      const pod = lab.cluster.pods.get('default', 'p0')?.status?.podIP;
      t.match(d[0]?.requests[0]?.body, `"remote_host":"${pod}","remote_port":5600`);
      t.match(await lab.metrics.render(), /repairs_total\{what="remote-host"\} 1/);
    });
  }

  t.test('keeps the address that prefill advertises when it leads anywhere', async (t) => {
    for (const given of ['10.1.2.3', 'p0.svc', 'own']) {
      const host = given === 'own' ? nextAddress() : given;
      const script: Script = ({ socket }) => void socket.write(answer(200, prefilled('1', host)));
      const { lab, d } = await scene(t, { prefill: [script], decode: [decodeOk] });
      await request(lab);
      t.match(d[0]?.requests[0]?.body, `"remote_host":"${host}"`);
    }
  });

  t.test('is asked for the model by the name its ModelServer gives', async (t) => {
    const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk], spec: { model: 'own/name' } });
    await request(lab);
    t.match(p[0]?.requests[0]?.body, /"model":"own\/name"/);
    t.match(d[0]?.requests[0]?.body, /"model":"own\/name"/);
  });
});

t.test('what is not split', async (t) => {
  const whole: readonly [string, object, string?][] = [
    ['several answers', { ...ask, n: 2 }],
    ['several prompts', { model: 'tiny', prompt: ['a', 'b'] }, '/v1/completions'],
    ['an echoed prompt', { model: 'tiny', prompt: 'a', echo: true }, '/v1/completions'],
    ['log-probabilities of the prompt', { ...ask, prompt_logprobs: 1 }],
    ['a limit that only decode would refuse', { ...ask, max_tokens: 'many' }],
    ['no tokens at all', { ...ask, max_tokens: 0 }],
    ['more tokens at least than at most', { ...ask, min_tokens: 20 }],
    ['stream options without a stream', { ...ask, stream_options: {} }],
    ['embeddings', { model: 'tiny', input: 'a' }, '/v1/embeddings'],
  ];
  const { lab, p, d } = await scene(t, { prefill: [prefillOk], decode: [decodeOk] });
  for (const [what, body, path] of whole) {
    const before = d[0]?.requests.length ?? 0;
    t.equal((await request(lab, body, path)).status, 200);
    t.equal(d[0]?.requests[before]?.body, JSON.stringify(body), `${what}: one leg, untouched`);
  }
  t.equal(p[0]?.requests.length, 0);
  await request(lab, { model: 'tiny', prompt: [1, 2, 3] }, '/v1/completions');
  t.equal(p[0]?.requests.length, 1, 'one prompt of token ids is split like any other');
});
