/** What no profile can know and the user says in one line: the address of a store, a network card, how nodes mount the driver. */
import t from 'tap';
import type { Container, PodSpec } from '../../../src/api/kube.js';
import type { ModelServing } from '../../../src/api/types.js';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { expandPod } from '../../../src/core/expand/pod.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { type ExpandSettings, defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { parseProfiles } from '../../../src/core/profiles/parse.js';
import { profilesAsText } from '../../../src/settings/profiles.js';
import { packagedProfiles, servingOf } from './samples.js';

const profiles = packagedProfiles();
const config = (name: string) => JSON.stringify({ kv_connector: name, kv_role: 'kv_both' });
const image = 'vllm/vllm-openai:v0.12.0';

function engine(connector: string | undefined, more: object = {}, spec: object = {}): object {
  const args = connector === undefined ? ['m'] : ['m', '--kv-transfer-config', config(connector)];
  return { name: 'decode', entryTemplate: { spec: { containers: [{ name: 'e', image, args, ...more }], ...spec } } };
}
const expanded = (role: object, annotations: Record<string, string> = {}, own: ExpandSettings = settings) =>
  expandServing(servingOf(JSON.stringify([role]), annotations), profiles, own);
const specOf = ({ spec }: ModelServing): PodSpec => spec.template.roles[0]?.entryTemplate.spec as PodSpec;
const containerOf = (serving: ModelServing): Container => specOf(serving).containers[0] as Container;
const envValue = ({ env = [] }: Container, name: string) => env.find((entry) => entry.name === name)?.value;

t.test('the address of a store', async (t) => {
  const store = { 'tandem.dev/store': 'lm://store.kv:65432' };
  t.test('goes into the variable that the connector reads, also of a hand-written pod', async (t) => {
    const { object } = expanded(engine('LMCacheConnectorV1'), store);
    t.equal(envValue(containerOf(object), 'LMCACHE_REMOTE_URL'), 'lm://store.kv:65432');
  });
  t.test('is not needed where the user says it otherwise', async (t) => {
    const env = [{ name: 'LMCACHE_CONFIG_FILE', value: '/etc/lmcache.yaml' }];
    const { object } = expanded(engine('LMCacheConnectorV1', { env }), store);
    t.equal(envValue(containerOf(object), 'LMCACHE_REMOTE_URL'), undefined);
  });
  t.test('does not concern other connectors', async (t) => {
    const { object } = expanded(engine('NixlConnector'), store);
    t.notMatch(JSON.stringify(containerOf(object)), 'store.kv');
  });
  t.test('reaches the pool inside a MultiConnector', async (t) => {
    const inside = [{ kv_connector: 'MooncakeConnectorV1' }, { kv_connector: 'AscendStoreConnector' }];
    const multi = {
      kv_connector: 'MultiConnector',
      kv_role: 'kv_consumer',
      kv_connector_extra_config: { connectors: inside },
    };
    const role = engine(undefined, {
      image: 'quay.io/ascend/vllm-ascend:v0.23.0',
      args: ['m', '--kv-transfer-config', JSON.stringify(multi)],
    });
    const { object } = expanded(role, { 'tandem.dev/store': 'master:50088' });
    t.equal(envValue(containerOf(object), 'MOONCAKE_MASTER'), 'master:50088');
  });
});

t.test('a network card', async (t) => {
  const limits = { 'nvidia.com/gpu': 1 };
  t.test('is asked for in limits and requests, with the capability it takes', async (t) => {
    const role = engine('P2pNcclConnector', { resources: { limits } });
    const { object, problems } = expanded(role, { 'tandem.dev/network': 'rdma/ib=2' });
    t.same(problems, []);
    t.match(containerOf(object), {
      resources: { limits: { 'rdma/ib': '2' }, requests: { 'rdma/ib': '2' } },
      securityContext: { capabilities: { add: ['IPC_LOCK'] } },
    });
  });
  t.test('that the user counted stands', async (t) => {
    const role = engine('NixlConnector', { resources: { limits: { ...limits, 'rdma/ib': 4 } } });
    const { object } = expanded(role, { 'tandem.dev/network': 'rdma/ib' });
    t.match(containerOf(object).resources, { limits: { 'rdma/ib': 4 } });
  });
  t.test('is for pods that move KV only', async (t) => {
    const { object } = expanded(engine(undefined, { resources: { limits } }), { 'tandem.dev/network': 'rdma/ib' });
    t.notMatch(JSON.stringify(containerOf(object)), 'rdma');
  });
  t.test('of no readable name is a problem', async (t) => {
    for (const wrong of ['rdma', 'rdma/ib=0', 'rdma/ib=two', '/ib', '']) {
      const { problems } = expanded(engine('NixlConnector'), { 'tandem.dev/network': wrong });
      t.match(
        problems.map(describeExpandProblem),
        [/"tandem.dev\/network"\] is .*wanted RESOURCE or RESOURCE=COUNT/],
        wrong,
      );
    }
  });
  t.test('comes from the profile of a cluster too', async (t) => {
    const give = '{ resource: vendor.example/rdma, count: 1, connectors: [nixl] }';
    const text = profilesAsText({ ...profiles, networks: [] });
    const own = `kind: network\nname: ours\ntitle: Ours\nresourcePatterns: ['^vendor']\ngive: ${give}\nbecause: our cards\n`;
    const parsed = parseProfiles([
      { name: 'a', text },
      { name: 'b', text: own },
    ]);
    if (!parsed.ok) throw new Error(parsed.problems[0]?.message);
    const { object } = expandServing(servingOf(JSON.stringify([engine('NixlConnector')])), parsed.profiles, settings);
    t.match(containerOf(object).resources, { requests: { 'vendor.example/rdma': '1' } });
  });
  t.test('reaches pods in mode pods', async (t) => {
    const annotations = { 'tandem.dev/network': 'rdma/ib', 'tandem.dev/expand': 'pods' };
    const serving = servingOf(JSON.stringify([engine('NixlConnector')]), annotations);
    const metadata = { labels: { 'modelserving.volcano.sh/role': 'decode' } };
    const { object } = expandPod({ metadata, spec: specOf(serving) }, { profiles, settings, serving });
    t.match(object.spec.containers[0]?.resources, { limits: { 'rdma/ib': '1' } });
  });
});

t.test('nodes whose runtime mounts no driver', async (t) => {
  const npu = engine('MooncakeConnectorV1', {
    image: 'quay.io/ascend/vllm-ascend:v0.23.0',
    resources: { limits: { 'huawei.com/Ascend910': 8 } },
  });
  const paths = (own: ExpandSettings) =>
    (containerOf(expanded(npu, {}, own).object).volumeMounts ?? []).map(({ mountPath }) => mountPath);
  t.same(paths(settings), ['/etc/hccn.conf', '/dev/shm']);
  t.same(
    paths({ ...settings, options: new Map([['version-files', 'on']]) }),
    ['/etc/hccn.conf', '/etc/ascend_install.info', '/usr/local/Ascend/driver/version.info', '/dev/shm'],
    'what Ascend Docker Runtime does not mount, where the nodes have it',
  );
  t.same(paths({ ...settings, runtimeMounts: false }), [
    '/etc/hccn.conf',
    '/usr/local/Ascend/driver',
    '/usr/local/dcmi',
    '/usr/local/bin/npu-smi',
    '/etc/ascend_install.info',
    '/dev/shm',
  ]);
});

t.test('the resolver of a pod on the host network', async (t) => {
  const policy = (spec: object) => specOf(expanded(engine('NixlConnector', {}, spec)).object).dnsPolicy;
  t.equal(policy({ hostNetwork: true }), 'ClusterFirstWithHostNet');
  t.equal(policy({ hostNetwork: true, dnsPolicy: 'Default' }), 'Default');
  t.equal(policy({}), undefined);
  t.test('replaces the default that Kubernetes writes before admission, where the template is silent', async (t) => {
    const annotations = { 'tandem.dev/expand': 'pods' };
    const serving = servingOf(JSON.stringify([engine('NixlConnector', {}, { hostNetwork: true })]), annotations);
    const pod = (dnsPolicy: string) => ({
      metadata: { labels: { 'modelserving.volcano.sh/role': 'decode' } },
      spec: { ...specOf(serving), dnsPolicy },
    });
    const made = (dnsPolicy: string) =>
      expandPod(pod(dnsPolicy), { profiles, settings, serving }).object.spec.dnsPolicy;
    t.equal(made('ClusterFirst'), 'ClusterFirstWithHostNet');
    t.equal(made('None'), 'None');
  });
});

t.test('an image that starts the engine itself keeps its entrypoint, also from a mirror', async (t) => {
  const terse = (own: ExpandSettings, connector: string) => {
    const annotations = { model: 'a/b', accelerator: 'ascend-1980', connector };
    const said = Object.entries(annotations).map(([key, value]) => [`tandem.dev/${key}`, value]);
    const { object } = expanded({ name: 'decode', entryTemplate: {} }, Object.fromEntries(said), own);
    const { image, command } = containerOf(object);
    return [image?.split('/').at(-1)?.split(':')[0], command];
  };
  const mirror = (name: string) => ({ ...settings, images: { 'vllm-ascend': name } });
  t.same(terse(settings, 'mooncake-v1'), ['kthena-engine', undefined]);
  t.same(terse(settings, 'mooncake-hybrid'), ['vllm-ascend', ['vllm', 'serve']]);
  t.same(terse(mirror('registry:5000/own/kthena-engine:v1@sha256:00'), 'mooncake-v1'), ['kthena-engine', undefined]);
  t.same(terse(mirror('registry/ascend/vllm-ascend:v1'), 'mooncake-v1'), ['vllm-ascend', ['vllm', 'serve']]);
});

t.test('a pod of the terse form knows its place although no controller could tell its container', async (t) => {
  const role = { name: 'decode', workerReplicas: 1, entryTemplate: {}, workerTemplate: {} };
  const said = { model: 'a/b', accelerator: 'nvidia', 'data-parallel': '4', expand: 'pods' };
  const annotations = Object.fromEntries(Object.entries(said).map(([key, value]) => [`tandem.dev/${key}`, value]));
  const serving = servingOf(JSON.stringify([role]), annotations);
  const labels = {
    'modelserving.volcano.sh/role': 'decode',
    'modelserving.volcano.sh/role-id': 'decode-3',
    'modelserving.volcano.sh/group-name': 's-2',
  };
  const worker = { metadata: { name: 's-2-decode-3-1', labels }, spec: { containers: [] } };
  const { object } = expandPod(worker, { profiles, settings, serving });
  const [container] = object.spec.containers;
  t.equal(envValue(container as Container, 'GROUP_SIZE'), '2');
  t.equal(envValue(container as Container, 'ENTRY_ADDRESS'), 's-2-decode-3-0.n');
  t.equal(envValue(container as Container, 'WORKER_INDEX'), '1');
  t.same(expandPod(object, { profiles, settings, serving }).patch, []);
});
