/** Both user documents with their own commands, on the lab and on a real control plane. */
import OpenAI from 'openai';
import t, { type Test } from 'tap';
import { labels } from '../../src/api/names.js';
import { until } from '../../src/cli/demo/wait.js';
import type { RawObject } from '../../src/kube/client.js';
import { services } from '../../src/kube/resources.js';
import { locateControlPlane } from '../control-plane/locate.js';
import { type Backend, type Cluster, lacking, openCluster } from './cluster.js';
import { run } from './kubectl.js';
import { podsOf, untilAvailable, untilNoPods, untilRouted } from './scenario.js';

interface Document {
  readonly folder: 'gpu' | 'npu';
  readonly namespace: string;
  readonly name: string;
  readonly server: string;
  readonly model: string;
  /** READY column of each pod, as the documents show it. */
  readonly expected: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

const documents: readonly Document[] = [
  {
    folder: 'gpu',
    namespace: 'default',
    name: 'vllm-qwen-06b',
    server: 'vllm-qwen-06b',
    model: 'Qwen/Qwen3-0.6B',
    expected: { 'vllm-qwen-06b-0-decode-0-0': '1/1', 'vllm-qwen-06b-0-prefill-0-0': '1/1' },
    warnings: ['TND-024', 'TND-047'],
  },
  {
    folder: 'npu',
    namespace: 'dev',
    name: 'deepseek-v2-lite',
    server: 'deepseek-v2',
    model: 'deepseek-ai/DeepSeekV2',
    expected: { 'deepseek-v2-lite-0-decode-0-0': '1/1', 'deepseek-v2-lite-0-prefill-0-0': '2/2' },
    warnings: ['TND-015', 'TND-022', 'TND-026', 'TND-047'],
  },
];

for (const backend of ['lab', 'real'] as const) {
  const missing = lacking(backend, backend === 'real' ? locateControlPlane() : undefined);
  t.test(
    `on ${backend === 'lab' ? 'the lab' : 'a real control plane'}`,
    { skip: missing ?? false, timeout: 300_000 },
    (t) => everything(t, backend),
  );
}

async function everything(t: Test, backend: Backend): Promise<void> {
  const cluster = await openCluster(backend);
  t.teardown(() => cluster.stop());
  await cluster.kubectl('create namespace dev');
  for (const document of documents) {
    await t.test(`the ${document.folder} document`, (t) => oneDocument(t, cluster, document));
  }
}

async function oneDocument(t: Test, cluster: Cluster, document: Document): Promise<void> {
  const { folder, namespace, name, server, model } = document;
  await applied(t, cluster, document);
  await untilAvailable(cluster, namespace, name);

  await t.test('its pods run under the expected names', async (t) => {
    const { stdout } = await cluster.kubectl(`get pod -owide -n ${namespace} -l ${labels.name}=${name} --no-headers`);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/));
    t.same(Object.fromEntries(rows.map(([pod, ready]) => [pod, ready])), document.expected);
    for (const [pod, , status, restarts] of rows)
      t.same([status, restarts], ['Running', '0'], `${pod} runs without a restart`);
  });

  await t.test('kubectl get -o yaml shows an available serving', async (t) => {
    const { stdout } = await cluster.kubectl(`get modelserving ${name} -n ${namespace} -o yaml`);
    t.match(stdout, /availableReplicas: 1/);
    t.match(stdout, /reason: AllGroupsReady/);
  });

  await t.test('its pods carry the topology of their nodes and lie in one leaf', async (t) => {
    const own = await podsOf(cluster, namespace, name);
    const leaves = own.map(({ metadata }) => metadata.labels?.['topology.tandem.dev/leaf']);
    t.ok(leaves[0], 'the binding webhook has stamped the leaf');
    t.equal(new Set(leaves).size, 1, 'one leaf for the whole group');
    for (const { metadata, spec } of own) t.equal(metadata.labels?.['topology.tandem.dev/node'], spec.nodeName);
  });

  await answered(t, cluster, model);

  await t.test('kubectl delete, in the order of the document, leaves nothing', async (t) => {
    for (const [kind, object] of [
      ['modelroute', server],
      ['modelserver', server],
      ['modelserving', name],
    ]) {
      const { code, stderr } = await cluster.kubectl(`delete ${kind} ${object} -n ${namespace}`);
      t.equal(code, 0, `${kind} ${object} is deleted ${stderr}`);
    }
    await untilNoPods(cluster, name);
    const headless = cluster.watch<RawObject>(services);
    await until(
      headless,
      () => headless.list().every(({ metadata }) => metadata.labels?.[labels.name] !== name),
      AbortSignal.timeout(30_000),
    );
    t.same(
      [cluster.lab.kubelet.engines().length, cluster.lab.kubelet.blocksHeld()],
      [0, 0],
      `no engine of ${folder} runs, no KV block is held`,
    );
  });
}

async function applied(t: Test, cluster: Cluster, { folder, warnings }: Document): Promise<void> {
  await t.test('kubectl apply -f accepts all three manifests and prints the warnings', async (t) => {
    const printed: string[] = [];
    for (const kind of ['modelserving', 'modelserver', 'modelroute']) {
      const { code, stderr } = await cluster.kubectl(`apply -f config/samples/${folder}/${kind}.yaml`);
      t.equal(code, 0, `${kind} is accepted verbatim: ${stderr}`);
      printed.push(stderr);
    }
    for (const warning of warnings)
      t.match(printed.join(''), new RegExp(`Warning: ${warning}`), `${warning} is printed`);
    t.match(printed.join(''), /Warning: TND-067/, 'the timeout of 10 s is named');
  });
}

async function answered(t: Test, cluster: Cluster, model: string): Promise<void> {
  await t.test("the document's curl is answered through the router", async (t) => {
    const endpoint = await cluster.kubectl(
      'get svc kthena-router -n kthena-system --output=jsonpath={.status.loadBalancer.ingress[0].ip}:{.spec.ports[0].port}',
    );
    const data = JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'Where is the capital of China?' }],
      stream: false,
    });
    const url = `http://${endpoint.stdout}/v1/chat/completions`;
    await untilRouted(cluster, model);
    const { stdout } = await run('curl', [
      '-sS',
      '--location',
      url,
      '--header',
      'Content-Type: application/json',
      '--data',
      data,
    ]);
    const body = JSON.parse(stdout) as OpenAI.ChatCompletion;
    t.equal(body.model, model);
    t.ok(body.choices[0]?.message.content, 'there is content');
    t.ok((body.usage?.prompt_tokens ?? 0) > 0 && (body.usage?.completion_tokens ?? 0) > 0, 'and usage');
  });

  await t.test('the official client reads the same answer as a stream', async (t) => {
    const openai = new OpenAI({ baseURL: `${cluster.router}/v1`, apiKey: 'none', maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'Where is the capital of China?' }];
    const whole = await openai.chat.completions.create({ model, messages });
    const stream = await openai.chat.completions.create({ model, messages, stream: true });
    let text = '';
    let finish: string | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    t.equal(text, whole.choices[0]?.message.content, 'token by token what came whole');
    t.match(finish, /stop|length/);
  });
}
