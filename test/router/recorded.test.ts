/** What Kthena's router sent and what vLLM 0.32 answered, recorded; and the two user documents as they are. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { AnswerWatch } from '../../router/answer-watch.js';
import { nixlPull } from '../../router/dialects/nixl-pull.js';
import { whyNotDisaggregated } from '../../router/disaggregate.js';
import { EngineBody } from '../../router/engine-body.js';
import { ChunkedReader } from '../../router/http/chunked-reader.js';
import { intrusions, scanRequest } from '../../router/request-body.js';
import { type SplicedBody, set } from '../../router/spliced-body.js';
import { startRouter } from '../../router/start.js';
import type { Pod } from '../../src/api/kube.js';
import { labels } from '../../src/api/names.js';
import type { ModelRoute, ModelServer, ModelServing } from '../../src/api/types.js';
import type { Endpoint } from '../../src/core/pairing/endpoint.js';
import { startPair } from '../../src/lab/pairs.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { emptyCluster } from './lab.js';
import { chunk, subnet } from './support.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const fixture = (name: string): string => readFileSync(`${root}test/fixtures/router/${name}`, 'utf8');
const pair = { prefill: { ip: '127.0.0.2' } as Endpoint, decode: { ip: '127.0.0.3' } as Endpoint };
const textOf = (body: SplicedBody): string => Buffer.concat(body.parts()).toString();

interface Recording {
  readonly request: { readonly path?: string; readonly body: Record<string, unknown> };
  readonly engine_events: readonly {
    readonly ev: string;
    readonly body?: string;
    readonly kv?: string;
    readonly url?: string;
  }[];
}

t.test('beside what Kthena’s router sent for the same request', (t) => {
  for (const name of ['wire-nixl', 'wire-nixl-stream', 'wire-nixl-completions', 'wire-nixl-usage-stream']) {
    t.test(name, (t) => {
      const { request, engine_events } = JSON.parse(fixture(`kthena/${name}.json`)) as Recording;
      const [prefill, decode] = engine_events
        .filter(({ ev }) => ev === 'req')
        .map(({ body = '' }) => JSON.parse(body) as Record<string, unknown>);
      const kv = engine_events.find(({ ev }) => ev === 'reply')?.kv ?? '';
      t.equal(
        whyNotDisaggregated(engine_events[0]?.url ?? '', scanRequest(Buffer.from(JSON.stringify(request.body)))),
        undefined,
      );
      const body = scanRequest(Buffer.from(JSON.stringify(request.body))).with([set('model', 'engine-model')]);
      const first = JSON.parse(textOf(nixlPull.prefill(body))) as Record<string, unknown>;
      t.match(first, prefill ?? {}, 'prefill gets all that Kthena sends');
      t.match(first, { stream: false, min_tokens: 1 }, 'and what keeps it from answering without a handover');
      const answer = new EngineBody(Buffer.from(`{"kv_transfer_params":${kv}}`));
      const handover = nixlPull.handover(answer, { ...pair, prefill: { ip: '127.50.0.1' } as Endpoint });
      if ('missing' in handover) throw new Error(handover.missing);
      const { include_usage: _, stream_options: __, ...wanted } = decode ?? {};
      const second = JSON.parse(textOf(nixlPull.decode(body, handover))) as Record<string, unknown>;
      const { stream_options: ___, ...sent } = second;
      t.same(sent, wanted, 'decode gets the same, without the usage that Kthena asks for on its own account');
      t.same(second['stream_options'], request.body['stream_options'], 'stream options are the client’s own');
      t.end();
    });
  }

  t.test('wire-nixl-rich: two answers are not split, and nobody’s parameters pass', (t) => {
    const { request } = JSON.parse(fixture('kthena/wire-nixl-rich.json')) as Recording;
    const body = scanRequest(Buffer.from(JSON.stringify(request.body)));
    t.equal(whyNotDisaggregated('/v1/chat/completions', body), 'n');
    t.same(
      intrusions(body).map(({ key }) => key),
      ['kv_transfer_params'],
    );
    t.end();
  });
  t.end();
});

/** `> request`, an empty line, `< head`, an empty line, the body. */
function exchange(name: string): { request: string; body: string } {
  const text = fixture(`vllm/${name}.txt`);
  const start = text.indexOf('> {');
  const end = text.indexOf('\n\n< HTTP');
  return { request: text.slice(start + 2, end), body: text.slice(text.indexOf('\n\n', end + 4) + 2) };
}

function look(watch: AnswerWatch, text: string): string | undefined {
  const latin1 = Buffer.from(text).toString('latin1');
  return watch.look(latin1, 0, latin1.length);
}

t.test('with what vLLM 0.32 answered', (t) => {
  for (const [first, second] of [
    ['01-leg1-chat', '01-leg2-chat'],
    ['k-leg1-compl', 'k-leg2-compl'],
  ] as const) {
    t.test(`${first} hands over what the recorded ${second} carried`, (t) => {
      const answer = new EngineBody(Buffer.from(exchange(first).body));
      const handover = nixlPull.handover(answer, pair);
      if ('missing' in handover) throw new Error(handover.missing);
      const sent = JSON.parse(exchange(second).request) as Record<string, unknown>;
      t.same(JSON.parse(handover.value.latin1), sent['kv_transfer_params']);
      t.same(handover.repairs, []);
      t.end();
    });
  }

  t.test('a prompt that ends with a stop token still hands over', (t) => {
    const answer = new EngineBody(Buffer.from(exchange('e-leg1-stop_token').body));
    t.notOk('missing' in nixlPull.handover(answer, pair));
    t.end();
  });

  t.test('a stream that SIGTERM ended is seen as given up, at its last event and not before', (t) => {
    const tail = fixture('vllm/sigterm-stream-tail.txt');
    const payloads = tail
      .split('\n\n')
      .filter((event) => event.includes('data: '))
      .map((event) => event.slice(event.indexOf('data: ')));
    const verdicts = payloads.map((payload) => look(new AnswerWatch(), `${payload}\n\n`));
    t.equal(verdicts.at(-2), 'the engine ended with finish_reason abort');
    t.same(
      verdicts.slice(0, -2).filter((verdict) => verdict !== undefined),
      [],
    );
    t.end();
  });

  t.test('a stream with usage is passed on whole, and its tokens are counted', (t) => {
    const { body } = exchange('s-leg2-stream-usage');
    const watch = new AnswerWatch();
    const events = body.split('\n\n').filter((event) => event !== '');
    const wire = Buffer.from(`${events.map((event) => chunk(`${event}\n\n`)).join('')}0\r\n\r\n`);
    let passed = '';
    const done = new ChunkedReader().push(wire, (bytes, from, to) => {
      t.equal(watch.look(bytes.toString('latin1'), from, to), undefined);
      passed += bytes.toString('utf8', from, to);
    });
    t.ok(done);
    t.match(passed, /\[DONE\]/);
    t.ok((watch.completionTokens ?? 0) > 0);
    t.end();
  });

  t.test('text that quotes these patterns is only text', (t) => {
    const quoting = {
      choices: [
        {
          delta: { content: '"finish_reason":"abort" data: {"error":1} "usage":{"completion_tokens":9}' },
          finish_reason: null,
        },
      ],
    };
    const watch = new AnswerWatch();
    t.equal(look(watch, `data: ${JSON.stringify(quoting)}\n\n`), undefined);
    t.equal(watch.completionTokens, undefined);
    t.end();
  });
  t.end();
});

const ip = subnet('recorded');

for (const [name, connector, advertised, said] of [
  ['gpu', 'nixl', '0.0.0.0', 'arguments'],
  ['npu', 'mooncake-v1', undefined, 'kvConnector'],
] as const) {
  t.test(`the ${name} document is served by a pair, whatever it leaves unsaid`, async (t) => {
    const sample = <T>(kind: string) => parse(readFileSync(`${root}config/samples/${name}/${kind}.yaml`, 'utf8')) as T;
    const serving = sample<ModelServing>('modelserving');
    const server = sample<ModelServer>('modelserver');
    const route = sample<ModelRoute>('modelroute');
    const abort = new AbortController();
    const hosts = name === 'gpu' ? [ip(1), ip(2)] : [ip(3), ip(4)];
    const own = advertised === undefined ? {} : { advertisedHost: advertised };
    const both = { port: server.spec.workloadPort.port, connector, models: [server.spec.model ?? ''], ...own };
    const engines = await startPair({ prefillHost: hosts[0] ?? '', decodeHost: hosts[1] ?? '', both }, abort.signal);
    t.teardown(() => engines.stop());
    const cluster = emptyCluster();
    cluster.pods.replaceAll(serving.spec.template.roles.map((role, i) => entryPod(serving, role, hosts[i] ?? '')));
    cluster.modelServers.replaceAll([server]);
    cluster.modelRoutes.replaceAll([route]);
    const metrics = new Metrics();
    const profiles = await loadProfiles();
    const router = await startRouter(
      { ...cluster, profiles, listen: { host: '127.0.0.1', port: 0 }, logger: silentLogger, metrics },
      abort.signal,
    );
    t.teardown(() => router.stop());
    const response = await fetch(`http://127.0.0.1:${router.address?.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: route.spec.modelName,
        messages: [{ role: 'user', content: 'Where is the capital of China?' }],
        stream: false,
        max_tokens: 8,
      }),
    });
    t.equal(response.status, 200);
    t.match(await response.json(), { choices: [{ message: { content: /./ } }], usage: { completion_tokens: 8 } });
    t.equal(response.headers.get('x-tandem-pair'), 'prefill-0,decode-0');
    t.equal(engines.decode.stats().transfers, 1, 'KV was pulled, not computed again');
    t.equal(engines.blocksHeld(), 0);
    const text = await metrics.render();
    t.match(text, new RegExp(`dialect="nixl-pull",from="${said}"`));
    t.equal(/repairs_total\{what="remote-host"\} 1/.test(text), name === 'gpu', 'the GPU document advertises 0.0.0.0');
  });
}

function entryPod(serving: ModelServing, role: ModelServing['spec']['template']['roles'][number], podIP: string): Pod {
  const name = serving.metadata.name ?? '';
  const own = {
    [labels.name]: name,
    [labels.groupName]: `${name}-0`,
    [labels.role]: role.name,
    [labels.roleId]: `${role.name}-0`,
    [labels.entry]: 'true',
  };
  return {
    metadata: {
      name: `${role.name}-0`,
      namespace: serving.metadata.namespace ?? 'default',
      uid: role.name,
      labels: own,
    },
    spec: role.entryTemplate.spec ?? { containers: [] },
    status: { podIP, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}
