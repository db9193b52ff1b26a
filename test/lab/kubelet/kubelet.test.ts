/** The lab's kubelet on both API servers: what it makes of pods, and what is left of them. */
import { readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import type { Condition, Container, Node, Pod } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { systemClock } from '../../../src/base/clock.js';
import type { KubeClient } from '../../../src/kube/client.js';
import { connectCluster } from '../../../src/kube/http-client.js';
import { loadConnection } from '../../../src/kube/kubeconfig.js';
import { type Reflector, startReflector } from '../../../src/kube/reflector.js';
import { events, nodes, pods } from '../../../src/kube/resources.js';
import { startApiServer } from '../../../src/lab/apiserver/server.js';
import { parseFleet } from '../../../src/lab/fleet/fleet.js';
import { type Kubelet, startKubelet } from '../../../src/lab/kubelet/start.js';
import { loadProfiles } from '../../../src/settings/profiles.js';
import { silentLogger } from '../../../src/telemetry/log.js';
import { locateControlPlane, missingControlPlane } from '../../control-plane/locate.js';
import { startControlPlane } from '../../control-plane/start.js';

const fleet = parseFleet(
  `groups:
  - name: gpu-r1
    count: 2
    capacity: { cpu: "16", memory: 256Gi, pods: "20", nvidia.com/gpu: "8", huawei.com/ascend-1980: "8" }
    levels: { leaf: r1 }
`,
  'test',
);

interface Cluster {
  readonly client: KubeClient;
  readonly store: Reflector<Pod>;
  readonly kubelet: Kubelet;
}

/** Resolves with the pod as soon as the store shows it as the condition wants; undefined once it is gone. */
function until(
  store: Reflector<Pod>,
  name: string,
  holds: (pod: Pod | undefined) => boolean,
): Promise<Pod | undefined> {
  return new Promise((resolve) => {
    const look = () => {
      const pod = store.get('default', name);
      if (!holds(pod)) return;
      stop();
      resolve(pod);
    };
    const stop = store.subscribe(look);
    queueMicrotask(look);
  });
}

const condition = (pod: Pod | undefined, type: string): Condition | undefined =>
  pod?.status?.conditions?.find((one) => one.type === type);
const isReady = (pod: Pod | undefined): boolean => condition(pod, 'Ready')?.status === 'True';
const isGone = (pod: Pod | undefined): boolean => pod === undefined;

function podOn(node: string, name: string, container: Partial<Container>, spec: Partial<Pod['spec']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 5,
      containers: [{ name: 'main', image: 'vllm/vllm-openai:v0.32.0', ...container }],
      ...spec,
    },
  };
}

/** A pod with the prefill role's template of a user document, bound to a node as a scheduler would. */
function documentPod(kind: string): Pod {
  const text = readFileSync(new URL(`../../../../config/samples/${kind}/modelserving.yaml`, import.meta.url), 'utf8');
  const serving = parse(text) as ModelServing;
  const spec = serving.spec.template.roles[0]?.entryTemplate.spec as unknown as Pod['spec'];
  return {
    ...podOn('gpu-r1-01', kind, {}),
    spec: { ...spec, nodeName: 'gpu-r1-01', terminationGracePeriodSeconds: 1 },
  };
}

const nixlConfig = '{"kv_connector":"NixlConnector","kv_role":"kv_both"}';
const engineContainer: Partial<Container> = {
  command: ['vllm', 'serve'],
  args: ['/models/tiny', '--served-model-name', 'tiny', '--port', '8000', '--kv-transfer-config', nixlConfig],
  env: [
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'VLLM_NIXL_SIDE_CHANNEL_HOST', value: '$(POD_IP)' },
  ],
  ports: [{ name: 'http', containerPort: 8000 }],
  startupProbe: { httpGet: { path: '/health', port: 'http' }, periodSeconds: 2, failureThreshold: 60 },
  readinessProbe: { httpGet: { path: '/health', port: 8000 }, periodSeconds: 5 },
  livenessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 5 },
};

async function post(
  ip: string,
  path: string,
  body: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { 'content-type': 'application/json', connection: 'close' };
  const answer = await fetch(`http://${ip}:8000${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

/** A kubeconfig for an API server that lives as long as the test. */
const backends: Readonly<Record<string, (t: Test) => Promise<string>>> = {
  "the lab's API server": async (t) => {
    const folder = t.testdir();
    const end = new AbortController();
    const options = { host: '127.0.0.1', port: 0, logger: silentLogger, clock: systemClock };
    const server = await startApiServer(options, end.signal);
    t.teardown(() => server.stop());
    await server.ready;
    writeFileSync(`${folder}/kubeconfig`, server.kubeconfig());
    return `${folder}/kubeconfig`;
  },
  'a real API server': async (t) => {
    const plane = await startControlPlane();
    if (!plane) throw new Error(missingControlPlane);
    t.teardown(() => plane.stop());
    return plane.kubeconfig;
  },
};

for (const [backend, open] of Object.entries(backends)) {
  const skip = backend === 'a real API server' && !locateControlPlane() ? missingControlPlane : false;
  void t.test(`the kubelet on ${backend}`, { skip }, async (t) => {
    const file = await open(t);
    const abort = new AbortController();
    const client = connectCluster(await loadConnection({ file, env: {} }), { signal: abort.signal, userAgent: 'test' });
    const store = startReflector<Pod>(client, pods, { signal: abort.signal, logger: silentLogger });
    await store.synced;
    const kubelet = await startKubelet({ client, nodes: fleet, profiles: await loadProfiles() }, abort.signal);
    await kubelet.ready;
    t.teardown(async () => {
      await kubelet.stop();
      abort.abort();
      await store.stopped;
      await client[Symbol.asyncDispose]();
    });
    const cluster = { client, store, kubelet };
    for (const [title, scenario] of Object.entries(scenarios)) await t.test(title, (t) => scenario(t, cluster));
  });
}

const scenarios: Readonly<Record<string, (t: Test, cluster: Cluster) => Promise<void>>> = {
  'registers its nodes Ready, untainted, with capacity, labels and address': async (t, { client }) => {
    const node = await client.get<Node>(nodes, { name: 'gpu-r1-01' });
    t.equal(node.status?.allocatable?.['nvidia.com/gpu'], '8');
    t.equal(node.metadata.labels?.['topology.tandem.dev/leaf'], 'r1');
    t.equal(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
    t.same(node.spec?.taints ?? [], []);
    t.match(node.status?.addresses, [{ type: 'InternalIP', address: /^127\./ }, { type: 'Hostname' }]);
  },

  'runs a pair of engines that hand KV over between two pods': async (t, { client, store, kubelet }) => {
    const spec = { initContainers: [{ name: 'downloader', image: 'ghcr.io/volcano-sh/downloader:latest' }] };
    await client.create(pods, podOn('gpu-r1-01', 'prefill', engineContainer, spec));
    await client.create(pods, podOn('gpu-r1-02', 'decode', engineContainer));
    const prefill = await until(store, 'prefill', isReady);
    const decode = await until(store, 'decode', isReady);
    t.match(prefill?.status, {
      phase: 'Running',
      podIP: /^127\./,
      hostIP: /^127\./,
      startTime: /Z$/,
      initContainerStatuses: [{ name: 'downloader', ready: true, state: { terminated: { exitCode: 0 } } }],
      containerStatuses: [{ name: 'main', started: true, ready: true, restartCount: 0, state: { running: {} } }],
    });
    for (const type of ['Initialized', 'ContainersReady', 'PodScheduled', 'PodReadyToStartContainers']) {
      t.equal(condition(prefill, type)?.status, 'True', type);
    }
    const messages = [{ role: 'user', content: 'which pod answers?' }];
    const ask = { model: 'tiny', messages, max_tokens: 6 };
    const params = { do_remote_decode: true, do_remote_prefill: false };
    const first = await post(prefill?.status?.podIP ?? '', '/v1/chat/completions', {
      ...ask,
      max_tokens: 1,
      kv_transfer_params: params,
    });
    t.match(first.body['kv_transfer_params'], { remote_host: prefill?.status?.podIP, remote_port: 5600 });
    t.equal(kubelet.blocksHeld() > 0, true);
    const second = await post(decode?.status?.podIP ?? '', '/v1/chat/completions', {
      ...ask,
      kv_transfer_params: first.body['kv_transfer_params'],
    });
    t.equal(second.status, 200);
    t.equal(kubelet.blocksHeld(), 0, 'nothing is stranded');
    t.equal(kubelet.engineOf('default', 'decode')?.stats().transfers, 1);
  },

  'restarts an engine whose core died, and counts it': async (t, { store, kubelet }) => {
    kubelet.engineOf('default', 'decode')?.die('test');
    const restarted = await until(
      store,
      'decode',
      (pod) => pod?.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(pod),
    );
    t.match(restarted?.status?.containerStatuses?.[0]?.['lastState'], {
      terminated: { exitCode: 1, reason: 'Error', message: 'test' },
    });
  },

  'leaves nothing of a deleted pod but its events': async (t, { client, store, kubelet }) => {
    const ip = store.get('default', 'decode')?.status?.podIP ?? '';
    await client.delete(pods, { namespace: 'default', name: 'decode' });
    await client.delete(pods, { namespace: 'default', name: 'prefill' });
    await Promise.all([until(store, 'decode', isGone), until(store, 'prefill', isGone)]);
    await t.rejects(fetch(`http://${ip}:8000/health`));
    t.same(kubelet.engines(), []);
    const seen = await client.list<{ metadata: object; reason: string; involvedObject: { name: string } }>(events, {
      namespace: 'default',
      fieldSelector: 'involvedObject.name=decode',
    });
    const reasons = new Set(seen.items.map(({ reason }) => reason));
    for (const reason of ['Pulled', 'Created', 'Started', 'Killing']) t.ok(reasons.has(reason), reason);
  },

  'runs the role pods of both documents as they are written': async (t, { client, store, kubelet }) => {
    const expected = {
      gpu: { model: 'Qwen/Qwen3-0.6B', containers: ['prefill'], advertised: '0.0.0.0', port: 5558 },
      npu: { model: 'deepseek-ai/DeepSeekV2', containers: ['runtime', 'vllm'], advertised: undefined, port: 20_001 },
    };
    for (const [kind, { model, containers, advertised, port }] of Object.entries(expected)) {
      await client.create(pods, { ...documentPod(kind), metadata: { name: kind, namespace: 'default' } });
      const pod = await until(store, kind, isReady);
      t.match(
        pod?.status?.containerStatuses,
        containers.map((name) => ({ name, ready: true })),
      );
      const ask = { model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 };
      const ip = pod?.status?.podIP ?? '';
      const params = { do_remote_decode: true, do_remote_prefill: false };
      const { body } = await post(ip, '/v1/chat/completions', { ...ask, kv_transfer_params: params });
      t.match(body['kv_transfer_params'], { remote_host: advertised ?? ip, remote_port: port });
      t.equal(kubelet.engineOf('default', kind)?.blocksHeld(), 1);
      await client.delete(pods, { namespace: 'default', name: kind });
      await until(store, kind, isGone);
    }
  },

  'waits with a drain hook until the engine is idle': async (t, { client, store, kubelet }) => {
    const preStop = { exec: { command: ['sh', '-c', 'until curl -s localhost:8000/metrics; do :; done'] } };
    const pod = podOn(
      'gpu-r1-01',
      'drained',
      { ...engineContainer, lifecycle: { preStop } },
      { terminationGracePeriodSeconds: 600 },
    );
    await client.create(pods, pod);
    const running = await until(store, 'drained', isReady);
    const engine = kubelet.engineOf('default', 'drained');
    const ask = { messages: [{ role: 'user', content: 'hello' }], max_tokens: 100, ignore_eos: true };
    const answer = post(running?.status?.podIP ?? '', '/v1/chat/completions', ask);
    await engine?.untilSeen((seen) => seen.length === 1);
    await client.delete(pods, { namespace: 'default', name: 'drained' });
    const { body } = await answer;
    t.match(body, { choices: [{ finish_reason: 'length' }], usage: { completion_tokens: 100 } }, 'not cut');
    await until(store, 'drained', isGone);
  },

  'cuts what outlives the grace period': async (t, { client, store, kubelet }) => {
    const preStop = { exec: { command: ['sh', '-c', 'until curl -s localhost:8000/metrics; do :; done'] } };
    const pod = podOn(
      'gpu-r1-01',
      'stubborn',
      { ...engineContainer, lifecycle: { preStop } },
      { terminationGracePeriodSeconds: 2 },
    );
    await client.create(pods, pod);
    const running = await until(store, 'stubborn', isReady);
    const engine = kubelet.engineOf('default', 'stubborn');
    const ask = { messages: [{ role: 'user', content: 'count' }], max_tokens: 30_000, ignore_eos: true };
    const answer = post(running?.status?.podIP ?? '', '/v1/chat/completions', ask);
    await engine?.untilSeen((seen) => seen.length === 1);
    await client.delete(pods, { namespace: 'default', name: 'stubborn' });
    t.match((await answer).body, { choices: [{ finish_reason: 'abort' }] }, 'as a real engine answers SIGTERM');
    await until(store, 'stubborn', isGone);
  },

  'runs a pod without an engine as it is': async (t, { client, store }) => {
    const pod = podOn('gpu-r1-01', 'nginx', { image: 'nginx', ports: [{ containerPort: 8000 }] });
    await client.create(pods, pod);
    const running = await until(store, 'nginx', isReady);
    t.equal((await fetch(`http://${running?.status?.podIP}:8000/`, { headers: { connection: 'close' } })).status, 200);
    await client.delete(pods, { namespace: 'default', name: 'nginx' }, { gracePeriodSeconds: 0 });
    await until(store, 'nginx', isGone);
  },

  'backs off from a pod that cannot start, and says why': async (t, { client, store }) => {
    const limits = { 'nvidia.com/gpu': '1' };
    const args = [...(engineContainer.args ?? []), '--tensor-parallel-size', '4'];
    await client.create(pods, podOn('gpu-r1-01', 'few', { ...engineContainer, args, resources: { limits } }));
    const waiting = await until(store, 'few', (pod) => (pod?.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 2);
    t.match(waiting?.status?.containerStatuses?.[0]?.['lastState'], {
      terminated: { exitCode: 1, message: /needs 4 devices and finds 1/ },
    });
    await client.delete(pods, { namespace: 'default', name: 'few' });
    await until(store, 'few', isGone);
  },

  'lets a pod that never restarts fail when its engine died': async (t, { client, store, kubelet }) => {
    await client.create(pods, podOn('gpu-r1-01', 'once', engineContainer, { restartPolicy: 'Never' }));
    await until(store, 'once', isReady);
    kubelet.engineOf('default', 'once')?.die('for good');
    const failed = await until(store, 'once', (pod) => pod?.status?.phase === 'Failed');
    t.match(failed?.status?.containerStatuses, [{ restartCount: 0, state: { terminated: { exitCode: 1 } } }]);
    await client.delete(pods, { namespace: 'default', name: 'once' });
    await until(store, 'once', isGone);
  },

  'restarts an engine that its liveness probe finds dead': async (t, { client, store }) => {
    const livenessProbe = { httpGet: { path: '/nowhere', port: 8000 }, periodSeconds: 1, failureThreshold: 1 };
    await client.create(pods, podOn('gpu-r1-01', 'unhealthy', { ...engineContainer, livenessProbe }));
    const restarted = await until(store, 'unhealthy', (pod) => pod?.status?.containerStatuses?.[0]?.restartCount === 1);
    t.match(restarted?.status?.containerStatuses?.[0]?.['lastState'], { terminated: { exitCode: 137 } });
    await client.delete(pods, { namespace: 'default', name: 'unhealthy' }, { gracePeriodSeconds: 0 });
    await until(store, 'unhealthy', isGone);
  },

  'fails a pod that the node has no room for': async (t, { client, store }) => {
    const limits = { 'nvidia.com/gpu': '9' };
    await client.create(pods, podOn('gpu-r1-01', 'greedy', { resources: { limits } }));
    const failed = await until(store, 'greedy', (pod) => pod?.status?.phase === 'Failed');
    t.match(failed?.status, { reason: 'OutOfnvidia.com/gpu', message: /nvidia\.com\/gpu/ });
    await client.delete(pods, { namespace: 'default', name: 'greedy' });
    await until(store, 'greedy', isGone);
  },

  'waits for a Secret that does not exist': async (t, { client, store }) => {
    const env = [{ name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: 'absent', key: 'token' } } }];
    await client.create(pods, podOn('gpu-r1-01', 'secretive', { ...engineContainer, env }));
    const waiting = await until(store, 'secretive', (pod) =>
      JSON.stringify(pod?.status ?? '').includes('CreateContainerConfigError'),
    );
    t.match(JSON.stringify(waiting?.status), /couldn't find key token in secret absent/);
    await client.delete(pods, { namespace: 'default', name: 'secretive' });
    await until(store, 'secretive', isGone);
  },
};
