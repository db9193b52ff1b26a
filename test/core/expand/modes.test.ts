import t from 'tap';
import type { ModelServing } from '../../../src/api/types.js';
import { modeOf, servingAsRun } from '../../../src/core/expand/serving.js';
import { defaultExpandSettings as settings } from '../../../src/core/expand/types.js';
import { expand, profiles } from './packaged.js';
import { sampleServing } from './samples.js';

t.test('modes', async (t) => {
  const mode = (value: string): ModelServing => {
    const serving = sampleServing('npu/modelserving');
    return { ...serving, metadata: { ...serving.metadata, annotations: { 'tandem.dev/expand': value } } };
  };
  t.test('off: nothing at all', async (t) => t.same(expand(mode('off')).patch, []));
  t.test('pods: only the pin, and the pods are known anyway', async (t) => {
    const { patch } = expand(mode('pods'));
    t.match(patch, [
      { op: 'add', path: '/metadata/annotations/tandem.dev~1profiles', value: /^ascend-1980,mooncake-v1,vllm-ascend@/ },
    ]);
    t.equal(patch.length, 1);
    const roles = servingAsRun(mode('pods'), profiles, settings).spec.template.roles;
    t.same(roles, expand(sampleServing('npu/modelserving')).object.spec.template.roles);
  });
  t.test('a word that is no mode is told, and means template', async (t) => {
    const { problems, patch } = expand(mode('pod'));
    t.match(problems, [{ path: 'metadata.annotations["tandem.dev/expand"]', saw: 'pod' }]);
    t.equal(modeOf(mode('pod')), 'template');
    t.not(patch.length, 0);
  });
});
