/** What the two user documents and the terse samples are told, and how findings depend on what is known. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import type { ModelRoute, ModelServer, ModelServing } from '../../../src/api/types.js';
import { exitCodeOf, findingsAsJson, findingsAsText } from '../../../src/cli/check-report.js';
import type { CheckContext } from '../../../src/core/checks/context.js';
import type { Finding } from '../../../src/core/checks/finding.js';
import { reviewModelRoute, reviewModelServer, reviewServing } from '../../../src/core/checks/review.js';
import { expandServing, readAsRun } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { loadProfiles } from '../../../src/settings/profiles.js';
import { both, draft, type Edit } from './example.js';

const profiles = await loadProfiles();
const expansion = { profiles, settings: defaultExpandSettings };
const alone: CheckContext = { objects: 'live', fallbackScheduler: 'default-scheduler' };

async function sample<T>(name: string): Promise<T> {
  return parseAllDocuments(await readFile(`config/samples/${name}.yaml`, 'utf8'))[0]?.toJS() as T;
}
const summary = (findings: readonly Finding[]) =>
  [...new Set(findings.map(({ code, severity }) => `${code} ${severity}`))].sort();

async function whole(folder: string): Promise<readonly Finding[]> {
  const serving = await sample<ModelServing>(`${folder}/modelserving`);
  const server = await sample<ModelServer>(`${folder}/modelserver`);
  const route = await sample<ModelRoute>(`${folder}/modelroute`);
  const expanded = expandServing(serving, profiles, defaultExpandSettings).object;
  const context: CheckContext = {
    ...alone,
    objects: 'complete',
    modelServings: [readServing(expanded, profiles)],
    modelServers: [server],
    modelRoutes: [route],
  };
  return [
    ...reviewServing(serving, expansion, context),
    ...reviewModelServer(server, context),
    ...reviewModelRoute(route, context),
  ];
}

t.test('the GPU document is accepted; its defects are warnings', async (t) => {
  const findings = await whole('gpu');
  t.strictSame(summary(findings), ['TND-024 warning', 'TND-047 warning', 'TND-067 warning']);
  t.match(findings[0], {
    path: 'spec.template.roles[0].entryTemplate.spec.containers[0].env["VLLM_NIXL_SIDE_CHANNEL_HOST"]',
    saw: '0.0.0.0',
    want: 'the pod IP',
  });
});

t.test('the NPU document is accepted; its defects are warnings', async (t) => {
  const findings = await whole('npu');
  t.strictSame(summary(findings), [
    'TND-015 warning',
    'TND-022 warning',
    'TND-026 warning',
    'TND-047 warning',
    'TND-067 warning',
  ]);
  const port = findings.find(({ code }) => code === 'TND-026');
  t.match(port, { saw: 'kv_port 20001', fix: /28000/ });
});

t.test('the terse samples have nothing to be told', async (t) => {
  for (const name of ['terse-gpu', 'terse-npu']) {
    t.strictSame(summary(reviewServing(await sample<ModelServing>(name), expansion, alone)), [], name);
  }
});

t.test('a size that current vllm-ascend refuses is an error, with an older or unknown version a warning', async (t) => {
  const conflicting = both((role) => Object.assign(role.extra, { decode: { tp_size: 2, dp_size: 2 } }));
  const severity = (image: string) => {
    const serving = draft(
      'npu',
      conflicting,
      both((role) => Object.assign(role, { image })),
    );
    return summary(reviewServing(serving, expansion, alone)).find((line) => line.startsWith('TND-015'));
  };
  t.equal(severity('quay.io/ascend/vllm-ascend:v0.13.0'), 'TND-015 error');
  t.equal(severity('quay.io/ascend/vllm-ascend:v0.10.1rc1'), 'TND-015 warning');
  t.equal(severity('quay.io/ascend/vllm-ascend:latest'), 'TND-015 warning');
});

t.test('a command read from a shell script leads to warnings only', async (t) => {
  const script = both((role) => {
    role.command = ['sh', '-c'];
    role.flags = {};
    role.container['args'] = [
      `vllm serve m --port 8000 --tensor-parallel-size 8 --kv-transfer-config '${JSON.stringify(role.config)}'`,
    ];
  });
  const findings = reviewServing(draft('gpu', script), expansion, alone);
  t.ok(summary(findings).includes('TND-021 warning'), summary(findings).join());
});

t.test('a pinned serving is judged by the profiles that it is pinned to', async (t) => {
  const unequal: Edit = ({ prefill, decode }) => {
    Object.assign(prefill.flags, { model: 'deepseek-ai/DeepSeek-V3', 'tensor-parallel-size': '2' });
    Object.assign(prefill.container, { resources: { limits: { 'nvidia.com/gpu': '2' } } });
    Object.assign(decode.flags, { model: 'deepseek-ai/DeepSeek-V3' });
  };
  const pinnedTo =
    (revision: string): Edit =>
    ({ metadata }) =>
      Object.assign(metadata, { annotations: { 'tandem.dev/profiles': `nixl,nvidia,vllm@${revision}` } });
  const then = { ...profiles, models: [], revision: '000000000000' };
  const now = { ...profiles, earlier: new Map([[then.revision, then]]) };
  const told = (revision: string) => {
    const serving = draft('gpu', unequal, pinnedTo(revision));
    const codes = (context: CheckContext) => summary(reviewServing(serving, { ...expansion, profiles: now }, context));
    t.same(readAsRun(serving, now, defaultExpandSettings).profiles.revision, revision);
    return codes(alone).find((line) => line.startsWith('TND-030'));
  };
  t.equal(told(now.revision), 'TND-030 warning');
  t.equal(told(then.revision), 'TND-030 error', 'nobody named such models then');
});

t.test('an annotation takes rules out by their codes', async (t) => {
  const serving = await sample<ModelServing>('npu/modelserving');
  const annotations = { 'tandem.dev/skip-checks': 'TND-015, TND-022,TND-026' };
  const skipping = { ...serving, metadata: { ...serving.metadata, annotations } };
  t.strictSame(summary(reviewServing(skipping, expansion, alone)), ['TND-047 warning']);
});

t.test(
  'a contradiction between two objects is a warning while either may still change, an error in one file',
  async (t) => {
    const server = await sample<ModelServer>('gpu/modelserver');
    const moved = { ...server, spec: { ...server.spec, workloadPort: { port: 9000 } } };
    const serving = draft('gpu', (d) => Object.assign(d.metadata, { name: 'vllm-qwen-06b' }));
    const told = (objects: CheckContext['objects']) =>
      summary(reviewServing(serving, expansion, { ...alone, objects, modelServers: [moved] })).find((line) =>
        line.startsWith('TND-065'),
      );
    t.equal(told('live'), 'TND-065 warning');
    t.equal(told('complete'), 'TND-065 error');
  },
);

t.test('objects of another namespace are neither judged nor named', async (t) => {
  const server = await sample<ModelServer>('gpu/modelserver');
  const foreign = {
    ...server,
    metadata: { name: 'secret-server', namespace: 'tenant-b' },
    spec: { ...server.spec, workloadPort: { port: 9000 } },
  };
  const serving = draft('gpu', (d) => Object.assign(d.metadata, { name: 'vllm-qwen-06b' }));
  const findings = reviewServing(serving, expansion, { ...alone, objects: 'complete', modelServers: [foreign] });
  t.notMatch(JSON.stringify(findings), /secret-server|tenant-b/);
  t.strictSame(summary(findings), []);
});

t.test('a report for people groups equal findings, one for machines lists all', async (t) => {
  const findings = reviewServing(await sample<ModelServing>('npu/modelserving'), expansion, alone);
  const checked = [{ file: 'npu.yaml', kind: 'ModelServing', name: 'deepseek-v2-lite', findings }];
  const text = findingsAsText(checked);
  t.match(text, /^ModelServing deepseek-v2-lite: 0 errors, \d+ warnings\n/);
  t.equal(text.split('set huawei.com/ascend-1980 to 2').length, 2, 'said once for both roles');
  t.equal((JSON.parse(findingsAsJson(checked)) as unknown[]).length, findings.length);
  t.equal(exitCodeOf(checked), 0);
  t.match(findingsAsText([]), /nothing to check/);
  const refused = reviewServing(
    draft('gpu', (d) => Object.assign(d.spec, { replicas: -1 })),
    expansion,
    alone,
  );
  t.equal(exitCodeOf([{ file: '', kind: 'ModelServing', name: 'demo', findings: refused }]), 1);
});

t.test(
  'a file is judged as an API server would: unknown fields, wrong types, missing and impossible values',
  async (t) => {
    const serving = draft('gpu', (d) =>
      Object.assign(d.spec, { replica: 2, replicas: 'two', recoveryPolicy: 'Sometimes' }),
    );
    const findings = reviewServing(serving, expansion, { ...alone, objects: 'complete' });
    t.match(findings, [
      { code: 'TND-100', path: 'spec.recoveryPolicy', saw: 'Sometimes', want: /one of ServingGroupRecreate/ },
      { code: 'TND-100', path: 'spec.replica', want: /replicas/ },
      { code: 'TND-100', path: 'spec.replicas', saw: 'two', want: /integer/ },
    ]);
    t.equal(findings.length, 3, 'nothing is concluded from what has no meaning');
    const route = { kind: 'ModelRoute', metadata: { name: 'r' }, spec: { modelName: 'm' } } as unknown as ModelRoute;
    t.match(reviewModelRoute(route, alone), [{ path: 'spec.rules', want: /required/ }]);
  },
);

t.test('any JSON under spec is judged without an exception', async () => {
  const anything = fc.jsonValue({ maxDepth: 4 });
  const role = fc.record(
    {
      name: anything,
      replicas: anything,
      workerReplicas: anything,
      entryTemplate: fc.record({ spec: anything, metadata: anything }),
    },
    { requiredKeys: [] },
  );
  const spec = fc.record(
    {
      replicas: anything,
      template: fc.record({ roles: fc.oneof(anything, fc.array(role, { maxLength: 3 })) }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(spec, (value) => {
      const serving = {
        kind: 'ModelServing',
        metadata: { name: 'x', namespace: 'default' },
        spec: value,
      } as unknown as ModelServing;
      for (const finding of reviewServing(serving, expansion, alone)) if (!finding.path) throw new Error('no path');
    }),
    { numRuns: 500 },
  );
});
