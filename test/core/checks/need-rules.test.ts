/** What envFrom keeps Tandem from adding. */
import { boundaries, engine } from './boundaries.js';
import { annotated, decode, limits } from './edits.js';
import type { RoleDraft } from './example.js';

const hiding = decode((r: RoleDraft) => Object.assign(r.container, { envFrom: [{ configMapRef: { name: 'x' } }] }));
const mindCluster = decode(limits({ 'huawei.com/Ascend910': '2', memory: '64Gi' }));
boundaries('TND-121', 'npu', [
  ['no envFrom', []],
  ['an empty one', [decode((r) => Object.assign(r.container, { envFrom: [] }))]],
  [
    'a ConfigMap',
    [hiding, mindCluster],
    {
      path: `${engine.decode}.envFrom`,
      saw: /^envFrom, and no (?!.*RANK_TABLE_FILE).*PYTHONHASHSEED.* in env$/,
      want: /PYTHONHASHSEED=0/,
      severity: 'warning',
    },
  ],
  [
    'a ConfigMap, and an option that asks for a variable',
    [hiding, mindCluster, annotated({ 'tandem.dev/options': 'rank-table=llm' })],
    { saw: /RANK_TABLE_FILE/ },
  ],
  ['a ConfigMap where nothing is added', [hiding, annotated({ 'tandem.dev/expand': 'off' })]],
]);
