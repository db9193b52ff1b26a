import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { stringify } from 'yaml';
import type { Container } from '../../../src/api/kube.js';
import type { ModelServing, PodTemplate } from '../../../src/api/types.js';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { reviewServing } from '../../../src/core/checks/review.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { type Recipe, settingsOf, terseOf } from './recipe.js';
import { summary } from './recipe-summary.js';
import { recipes } from './recipe-table.js';
import { packagedProfiles } from './samples.js';

const profiles = packagedProfiles();
const folder = 'test/fixtures/expand/recipes';

/** Codes of what checks say about the pods that come out, with the router of this project in front of them. */
function findings(recipe: Recipe, serving: ModelServing): readonly string[] {
  const settings = settingsOf(recipe);
  const found = reviewServing(
    serving,
    { profiles, settings },
    {
      objects: 'complete',
      fallbackScheduler: 'default-scheduler',
      hasVolcano: true,
      hasAscendRuntime: settings.runtimeMounts !== false,
      dialects: ['nixl-pull', 'two-step'],
    },
  );
  return [...new Set(found.map(({ code, severity }) => `${code} ${severity}`))];
}

t.test('recipes', async (t) => {
  for (const [name, recipe] of Object.entries(recipes)) {
    t.test(`${recipe.source}: ${recipe.title}`, async (t) => {
      const { object, problems } = expandServing(terseOf(recipe), profiles, settingsOf(recipe));
      t.same(problems.map(describeExpandProblem), []);
      t.same(
        readServing(object, profiles).roles.map(({ pod }) => pod?.connector?.profile?.name),
        [recipe.reads ?? recipe.connector, recipe.reads ?? recipe.connector],
        'what was written reads back as asked',
      );
      const again = expandServing(object, profiles, settingsOf(recipe));
      t.same(again.patch, [], 'complete');
      const said = findings(recipe, object);
      t.same(
        said.filter((one) => one.endsWith('error')),
        [],
        'what comes out is accepted',
      );
      const file = `${folder}/${name}.yaml`;
      const seen = stringify({ ...summary(object), findings: said }, { lineWidth: 0 });
      if (process.env['GOLDEN'] === 'write') writeFileSync(file, seen);
      t.equal(existsSync(file) ? readFileSync(file, 'utf8') : '', seen, `${file} (GOLDEN=write, then review)`);
    });
  }
  t.same(
    readdirSync(folder)
      .map((file) => file.replace('.yaml', ''))
      .sort(),
    Object.keys(recipes).sort(),
    'every file is a recipe',
  );
});

t.test('every engine, connector and accelerator that belong together have a recipe', async (t) => {
  const key = ({ accelerator, engine, connector }: Pick<Recipe, 'accelerator' | 'engine' | 'connector'>) =>
    `${engine} ${connector} ${accelerator}`;
  const had = new Set(Object.values(recipes).map(key));
  const possible = profiles.connectors.flatMap((connector) =>
    profiles.accelerators.flatMap((accelerator) =>
      connector.engines
        .filter((engine) => accelerator.engines.includes(engine))
        .filter(() => connector.images === undefined || Object.hasOwn(connector.images, accelerator.name))
        .map((engine) => key({ accelerator: accelerator.name, engine, connector: connector.name })),
    ),
  );
  t.same([...had].sort(), possible.sort());
});

/** What pd-protocols B names and no recipe writes, with the reason. A recipe that writes one of them belongs off this list. */
const notWritten: Readonly<Record<string, string>> = {
  'probe /v1/models':
    'asks for the API key where there is one, and /health answers after the engine has started too (B.0, F)',
  NODE_IP: 'under hostNetwork the pod IP is the node IP, and nothing else reads it (B.0)',
  'shutdown-timeout':
    'unknown to older engines; the drain hook of the pods webhook waits until the engine is idle (B.0)',
  '/.cache': 'for images that do not run as root; those of the terse form do (B.0)',
  kv_lease_duration: 'heartbeats hold the lease while decode queues, and the time is the load’s (B.2)',
  NCCL_IB: 'an index of one cluster, and a default (B.2)',
  UCX_NET_DEVICES: 'names of one cluster’s cards (B.2, B.7)',
  'block-size': 'the engines’ defaults are equal; a check compares what is said (B.2)',
  proxy_ip: 'the router finds engines by their labels, so they register nowhere (A.1.8, B.8)',
  HCCL_BUFFSIZE: 'tuning by model and load (B.4)',
  HCCL_OP_EXPANSION_MODE: 'tuning (B.4)',
  ASCEND_BUFFER_POOL: 'tuning (B.4)',
  OMP_: 'tuning (B.4)',
  TASK_QUEUE_ENABLE: 'tuning (B.4)',
  PYTORCH_NPU_ALLOC_CONF: 'tuning (B.4)',
  HCCL_INTRA_ROCE_ENABLE: 'A2 only, and the resource does not tell the generation (B.4)',
  ASCEND_ENABLE_USE_FABRIC_MEM: 'A3 only, and the resource does not tell the generation (B.4)',
  LD_LIBRARY_PATH: 'the image’s own value would be lost (B.4)',
  VLLM_USE_V1: 'the default of every image of the recipes (B.4)',
  VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT: '480 is the default (B.4)',
  PHYSICAL_DEVICES: 'numbers of the node, which a container does not see (B.4, C-59)',
  'engine_id":"0': 'a literal id is the same in every replica (C-39)',
  'kv_port":"30000': 'inside the transport’s random ports on a node of 16 NPUs (B.4, C-26)',
  servertype: 'tells AI processors of one chip from boards, which have no KV connector (B.1.2)',
  'npu-core': 'a part of a device cannot take part in RDMA (B.1)',
  'vnpu-mode': 'a part of a device cannot take part in RDMA (B.1)',
  hugepages: 'a setting of the node (B.1.4)',
  '/etc/localtime': 'the time zone of logs (B.1.4)',
  MOONCAKE_GLOBAL_SEGMENT_SIZE: 'the share of host memory is the user’s (B.5)',
  'disaggregation-bootstrap-port': '8998 is the default (B.7)',
  'disaggregation-ib-device': 'names of one cluster’s cards (B.7)',
  ASCEND_NPU_PHY_ID: 'numbers of the node, which a template cannot know (B.7)',
  SGLANG_DISAGG: 'the staging buffer is for different sizes on both sides only; a check asks for it (B.7, C-33)',
};

t.test('what the reference names and no recipe writes', async (t) => {
  const all = Object.keys(recipes).map((name) => readFileSync(`${folder}/${name}.yaml`, 'utf8'));
  for (const [text, why] of Object.entries(notWritten)) {
    t.notOk(
      all.some((golden) => golden.includes(text)),
      `${text}: ${why}`,
    );
  }
});

/**
 * What a hand-written serving does not get although the terse form writes it: habits of an image, sizes and weights that
 * only the user of a template of their own knows. Everything else is the same for both.
 */
const onlyTerse: Readonly<Record<string, string>> = {
  GLOO_SOCKET_IFNAME: 'a cluster may have another interface; without it the library asks the kernel',
  NCCL_SOCKET_IFNAME: 'a cluster may have another interface; without it the library asks the kernel',
  HF_HUB_OFFLINE: 'whether weights come from a volume is the template’s business',
  VLLM_WORKER_MULTIPROC_METHOD: 'the default of current images',
  UCX_TLS: 'UCX chooses among all transports',
  VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS: 'a limit that the user may want',
  VLLM_RPC_TIMEOUT: 'a limit that the user may want',
  HCCL_CONNECT_TIMEOUT: 'a limit that the user may want',
  HCCL_EXEC_TIMEOUT: 'a limit that the user may want',
  AscendRealDevices: 'the entrypoint of one image reads it',
  LMCACHE_: 'the engine’s own configuration file counts instead',
  VLLM_ENABLE_V1_MULTIPROCESSING: 'a habit of older images',
  '/models': 'the volume of the weights',
  '/mnt/cache': 'the volume of the weights',
  '/mnt/kv-cache': 'which file system the nodes share is not known',
};

t.test('written by hand, a recipe becomes the same pods', async (t) => {
  const used = new Set<string>();
  for (const [name, recipe] of Object.entries(recipes)) {
    const { object } = expandServing(terseOf(recipe), profiles, settingsOf(recipe));
    for (const form of ['list', 'script'] as const) {
      const written = byHand(object, form);
      const { object: expanded, problems } = expandServing(written, profiles, settingsOf(recipe));
      t.same(problems, [], `${name} ${form}`);
      const [terse, hand] = [object, expanded].map((serving) => factsOf(serving));
      const lacking = [...(terse ?? [])].filter((line) => !hand?.has(line));
      const unlisted = lacking.filter((line) => {
        const why = Object.keys(onlyTerse).find((known) => line.includes(known));
        if (why !== undefined) used.add(why);
        return why === undefined;
      });
      t.same(unlisted, [], `${name} ${form}: nothing is missing`);
      t.same(
        [...(hand ?? [])].filter((line) => !terse?.has(line)),
        [],
        `${name} ${form}: nothing is added`,
      );
    }
  }
  t.same([...used].sort(), Object.keys(onlyTerse).sort(), 'every difference that is listed exists');
});

/** Facts of a summary one by one, but for how the command is spelled. */
function factsOf(serving: ModelServing): ReadonlySet<string> {
  const facts = Object.entries(summary(serving)).flatMap(([role, of]) =>
    Object.entries(of as Record<string, unknown>).flatMap(([field, value]) => {
      if (field === 'command' || field === 'args') return [];
      const each = Array.isArray(value) ? value : Object.entries(value ?? {});
      return each.map((one: unknown) => `${role} ${field} ${String(one)}`);
    }),
  );
  return new Set(facts);
}

/** The serving as a user would write it: image, command, arguments and resources, and nothing else. */
function byHand({ metadata, spec, ...rest }: ModelServing, form: 'list' | 'script'): ModelServing {
  const asked = ['tandem.dev/store', 'tandem.dev/network', 'tandem.dev/options'];
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => asked.includes(key));
  const roles = spec.template.roles.map(({ entryTemplate, workerTemplate, ...role }) => ({
    ...role,
    entryTemplate: bare(entryTemplate, form),
    ...(workerTemplate && { workerTemplate: bare(workerTemplate, form) }),
  }));
  return {
    ...rest,
    metadata: { ...metadata, annotations: Object.fromEntries(annotations) },
    spec: { ...spec, template: { ...spec.template, roles } },
  };
}

function bare({ spec }: PodTemplate, form: 'list' | 'script'): PodTemplate {
  const { containers = [], hostNetwork } = spec ?? {};
  return {
    spec: { containers: containers.map((container) => program(container, form)), ...(hostNetwork && { hostNetwork }) },
  };
}

/** The same program from a list, or from a script with a flag on each line, as the published manifests have it. */
function program({ name, image, command, args = [], resources }: Container, form: 'list' | 'script'): Container {
  const limits = { resources: { limits: resources?.limits ?? {} } };
  const ownEntrypoint = command === undefined || command[0] === 'sh';
  if (form === 'list' || ownEntrypoint)
    return { name, ...(image && { image }), ...(command && { command }), args, ...limits };
  const words = [...command, ...args].map((word) => (/^[\w./:@=()$-]+$/.test(word) ? word : `'${word}'`));
  const script = words.join(' ').replaceAll(' --', ' \\\n  --');
  return { name, ...(image && { image }), command: ['sh', '-c'], args: [script], ...limits };
}
