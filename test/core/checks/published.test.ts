/**
 * Manifests with the defects that published ones have (pd-protocols B.10), and what a user reads about each: the rules by
 * name, so that nothing is told too much and nothing too little. The two user documents are in `documents.test.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import type { ModelServing } from '../../../src/api/types.js';
import { reviewServing } from '../../../src/core/checks/review.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { packagedProfiles } from '../expand/samples.js';

const profiles = packagedProfiles();
const folder = 'test/fixtures/published';
const read = (name: string) => parse(readFileSync(`${folder}/${name}.yaml`, 'utf8')) as ModelServing;
const router = {
  objects: 'complete',
  fallbackScheduler: 'default-scheduler',
  dialects: ['nixl-pull', 'two-step'],
} as const;

/** File → code and severity → what the finding says it saw. */
const expected: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  'sglang-pair': {
    'TND-115 warning': /^mooncake \(sglang\)$/,
    'TND-117 warning': /no network card/,
  },
  'one-role-knows-its-network': {
    'TND-026 warning': /^kv_port 2000[12]$/,
    'TND-046 error': /no memory volume/,
    'TND-049 error': /hccn\.conf/,
    'TND-054 error': /^undefined$/,
    'TND-062 error': /no startupProbe/,
  },
  'quoted-variable': {
    'TND-019 warning': /^\$MOONCAKE_ENGINE_ID$/,
  },
  'one-device-for-two-ranks': { 'TND-021 error': /^1$/ },
  'mig-slices': {},
};

t.test('published defects', async (t) => {
  t.same(
    readdirSync(folder).sort(),
    Object.keys(expected)
      .map((name) => `${name}.yaml`)
      .sort(),
  );
  for (const [name, rules] of Object.entries(expected)) {
    t.test(name, async (t) => {
      const findings = reviewServing(read(name), { profiles, settings }, router);
      const told = findings.map(({ code, severity }) => `${code} ${severity}`);
      t.same([...new Set(told)].sort(), Object.keys(rules).sort());
      for (const { code, severity, saw } of findings) t.match(String(saw), rules[`${code} ${severity}`] ?? /^$/, code);
    });
  }
});

t.test('what is missing in them is added', async (t) => {
  const containers = (name: string) =>
    readServing(expandServing(read(name), profiles, settings).object, profiles).roles.map(({ pod }) => pod?.container);
  for (const container of containers('sglang-pair')) {
    t.match(container?.startupProbe, { httpGet: { path: '/health', port: 30000 }, failureThreshold: 720 });
    t.match(container?.livenessProbe, { httpGet: { port: 30000 } });
    t.equal(container?.readinessProbe?.initialDelaySeconds, 120, 'what the user wrote stands');
    t.same(container?.securityContext?.capabilities?.add, ['IPC_LOCK']);
  }
  for (const container of containers('quoted-variable')) {
    t.match(container?.startupProbe, { httpGet: { path: '/health', port: 7100 } });
    t.match(container?.env, [{ name: 'POD_NAME' }, { name: 'NAMESPACE' }, { name: 'POD_IP' }]);
    t.notOk(
      container?.env?.some(({ value }) => value === 'eth0'),
      'no interface of the pod network',
    );
  }
  for (const container of containers('mig-slices')) {
    t.match(container?.resources, { requests: { 'nvidia.com/mig-3g.40gb': 1 } });
    t.ok(container?.env?.some(({ name }) => name === 'VLLM_NIXL_SIDE_CHANNEL_HOST'));
  }
});
