import t from 'tap';
import { describeExpandProblem } from '../../../src/cli/expand-report.js';
import { expandServing } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { entry, expand, profiles } from './packaged.js';
import { servingOf } from './samples.js';

t.test('the terse form', async (t) => {
  const roles = '- name: prefill\n  entryTemplate: {}\n- name: decode\n  entryTemplate: {}\n';
  const terse = (annotations: Record<string, string>) => expand(servingOf(roles, annotations));

  t.test('needs the model only', async (t) => {
    const { object, problems } = terse({ 'tandem.dev/model': 'Qwen/Qwen3-0.6B' });
    t.same(problems, []);
    const [prefill] = readServing(object, profiles).roles;
    t.match(prefill?.pod, {
      engine: { profile: { name: 'vllm' } },
      devices: { profile: { name: 'nvidia' } },
      connector: { profile: { name: 'nixl' } },
    });
  });
  t.test(
    'every engine, accelerator and connector that belong together become a pair that reads back as asked',
    async (t) => {
      for (const connector of profiles.connectors) {
        const reads = connector.connectors.length > 0 || connector.backends !== undefined;
        if (!reads || (!connector.config && !connector.args)) continue;
        for (const engine of profiles.engines.filter(({ name }) => connector.engines.includes(name))) {
          const has = (name: string) => connector.images === undefined || Object.hasOwn(connector.images, name);
          const runs = profiles.accelerators.filter(({ engines }) => engines.includes(engine.name));
          for (const accelerator of runs.filter(({ name }) => has(name))) {
            const asked = [accelerator.name, engine.name, connector.name];
            const annotations = {
              model: 'a/b',
              accelerator: asked[0],
              engine: asked[1],
              connector: asked[2],
              'tensor-parallel': '2',
            };
            const { object, problems } = terse(
              Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`tandem.dev/${key}`, value ?? ''])),
            );
            t.same(problems, [], asked.join(' '));
            for (const { name, pod } of readServing(object, profiles).roles) {
              const read = [pod?.devices.profile?.name, pod?.engine.profile.name, pod?.connector?.profile?.name];
              t.same([...read, pod?.side, pod?.engine.tensorParallel, pod?.devices.count], [...asked, name, 2, 2]);
            }
          }
        }
      }
    },
  );
  t.test('sizes of both sides meet in the connector’s configuration', async (t) => {
    const sized = (name: string, tp: string) =>
      `- name: ${name}\n  entryTemplate: {metadata: {annotations: {tandem.dev/tensor-parallel: "${tp}"}}}\n`;
    const annotations = {
      'tandem.dev/model': 'a/b',
      'tandem.dev/accelerator': 'ascend-1980',
      'tandem.dev/data-parallel': '2',
    };
    const { object } = expand(servingOf(sized('prefill', '4') + sized('decode', '2'), annotations));
    const sizes = { prefill: { dp_size: 2, tp_size: 4, pp_size: 1 }, decode: { dp_size: 2, tp_size: 2, pp_size: 1 } };
    for (const { pod } of readServing(object, profiles).roles)
      t.same(pod?.connector?.config?.['kv_connector_extra_config'], sizes);
  });
  t.test('what the user’s own arguments say counts', async (t) => {
    const args = { 'tandem.dev/model': 'a/b', 'tandem.dev/engine-args': `-tp 4 --served-model-name 'x y' --port 9000` };
    const [role] = readServing(terse(args).object, profiles).roles;
    t.match(role?.pod?.engine, { tensorParallel: 4, port: 9000, servedNames: ['x y'] });
    t.equal(role?.pod?.devices.count, 4);
    t.equal(role?.pod?.container.args?.filter((word) => word === '--port').length, 1);
    t.match(role?.pod?.container.readinessProbe, { httpGet: { port: 9000 } });
  });
  t.test('a flag that the user repeats is repeated, once for each time', async (t) => {
    const said = '--middleware a.B --middleware c.D --trust --middleware a.B --trust';
    const annotations = { 'tandem.dev/model': 'a/b', 'tandem.dev/engine-args': said };
    const once = terse(annotations).object;
    const args = (serving: typeof once) =>
      (readServing(serving, profiles).roles[0]?.pod?.container.args ?? []).slice(-said.split(' ').length).join(' ');
    t.equal(args(once), said);
    t.equal(args(expand(once).object), said, 'and no more when it is applied again');
  });
  t.test('a path needs no download', async (t) => {
    const [role] = readServing(terse({ 'tandem.dev/model': '/data/m' }).object, profiles).roles;
    t.equal(role?.pod?.engine.model, '/data/m');
    t.equal(role?.pod?.spec.initContainers, undefined);
  });
  t.test('a container that lacks only its arguments keeps its name and image', async (t) => {
    const bare =
      '- name: prefill\n  entryTemplate: {spec: {containers: [{name: mine, image: "vllm/vllm-openai:v0.11.2"}]}}';
    const [role] = readServing(expand(servingOf(bare, { 'tandem.dev/model': 'a/b' })).object, profiles).roles;
    t.match(role?.pod?.container, { name: 'mine', image: 'vllm/vllm-openai:v0.11.2' });
    t.equal(role?.pod?.engine.model, '/models/b');
  });
  t.test('an installation’s own images', async (t) => {
    const serving = servingOf(roles, { 'tandem.dev/model': 'a/b' });
    const own = { ...settings, images: { vllm: 'registry/vllm:1' }, downloaderImage: 'registry/loader:1' };
    const spec = entry(expandServing(serving, profiles, own).object, 'prefill');
    t.same([spec.containers[0]?.image, spec.initContainers?.[0]?.image], ['registry/vllm:1', 'registry/loader:1']);
  });

  const wrong: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['no model', {}, /"tandem.dev\/model"\] is absent, wanted a model .*; add the annotation/],
    ['a path that climbs', { model: '../../etc' }, /"tandem.dev\/model"\] is "..\/..\/etc"/],
    [
      'an unknown engine',
      { model: 'a/b', engine: 'vlm' },
      /"tandem.dev\/engine"\] is "vlm", .*use one of sglang, vllm, vllm-ascend/,
    ],
    [
      'an engine that does not run there',
      { model: 'a/b', engine: 'vllm-ascend', accelerator: 'nvidia' },
      /an engine that runs on nvidia; use one of vllm, sglang/,
    ],
    [
      'a connector of another engine',
      { model: 'a/b', engine: 'sglang', accelerator: 'nvidia', connector: 'nixl' },
      /a connector of sglang/,
    ],
    [
      'a connector that no known image has there',
      { model: 'a/b', accelerator: 'amd', connector: 'mooncake' },
      /"tandem.dev\/connector"\] is "mooncake", wanted a connector with a known image for amd; it has one for nvidia; give each role a container with name and image only/,
    ],
    [
      'one of several accelerators',
      { model: 'a/b', engine: 'vllm-ascend' },
      /"tandem.dev\/accelerator"\] is absent, .*one of ascend-1980, ascend-310, ascend-npu, ascend310p, ascend910/,
    ],
    [
      'a size that is no number',
      { model: 'a/b', 'tensor-parallel': 'two' },
      /"tandem.dev\/tensor-parallel"\] is "two", wanted a whole number/,
    ],
  ];
  for (const [title, said, expected] of wrong) {
    t.test(`${title} is a problem, and the serving stays as it is`, async (t) => {
      const annotations = Object.fromEntries(Object.entries(said).map(([key, value]) => [`tandem.dev/${key}`, value]));
      const { problems, patch } = terse(annotations);
      t.match(problems.map(describeExpandProblem)[0] ?? '', expected);
      t.same(patch, []);
    });
  }
});
