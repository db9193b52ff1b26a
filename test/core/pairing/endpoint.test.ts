import t from 'tap';
import type { Pod } from '../../../src/api/kube.js';
import { labels } from '../../../src/api/names.js';
import { endpointOf, selectedPods } from '../../../src/core/pairing/endpoint.js';
import { endpoint, pod, server } from './server-and-pods.js';

t.test('a pod is an endpoint', (t) => {
  t.match(endpoint('p0'), { side: 'prefill', group: 'g0', ip: '10.0.0.1', port: 8000, tls: false });
  t.match(endpoint('d0'), { side: 'decode', group: 'g0' });
  t.match(endpoint('p0', { role: 'both' }), { side: 'aggregated', group: undefined });
  t.match(
    endpoint('p0', { [labels.groupName]: '' }),
    { side: 'aggregated' },
    'without a group value it is in no group',
  );
  const both = {
    ...server,
    spec: {
      ...server.spec,
      workloadSelector: {
        matchLabels: { app: 'm' },
        pdGroup: { groupKey: labels.groupName, prefillLabels: { app: 'm' }, decodeLabels: { app: 'm' } },
      },
    },
  };
  t.match(endpointOf(both, pod('p0')), { side: 'decode' }, 'a pod that matches both is decode, as in Kthena');
  const not: readonly [string, Pod][] = [
    [
      'it is not ready',
      pod('p0', {}, { status: { podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'False' }] } }),
    ],
    ['it has no address', pod('p0', {}, { status: { conditions: [{ type: 'Ready', status: 'True' }] } })],
    ['it has no status', { metadata: pod('p0').metadata, spec: { containers: [] } }],
    ['it is a worker of its role instance', pod('p0', { [labels.roleId]: 'prefill-0' })],
    ['it goes away', pod('p0', {}, { metadata: { ...pod('p0').metadata, deletionTimestamp: 'now' } })],
  ];
  for (const [why, given] of not) t.equal(endpointOf(server, given), undefined, `not when ${why}`);
  t.ok(endpointOf(server, pod('p0', { [labels.roleId]: 'prefill-0', [labels.entry]: 'true' })), 'the entry pod is');
  t.ok(
    endpointOf(server, pod('p0', {}, { status: { podIP: '10.0.0.1' } })),
    'so is a pod written by hand without conditions',
  );
  t.end();
});

t.test('a ModelServer selects pods of its namespace that carry all its labels', (t) => {
  const others = [
    pod('p1', { app: 'other' }),
    pod('p2', {}, { metadata: { ...pod('p2').metadata, namespace: 'elsewhere' } }),
  ];
  t.same(
    selectedPods(server, [pod('p0'), ...others]).map(({ metadata }) => metadata.name),
    ['p0'],
  );
  const { matchLabels: _, ...selector } = server.spec.workloadSelector;
  t.same(
    selectedPods({ ...server, spec: { ...server.spec, workloadSelector: selector } }, [pod('p0')]),
    [],
    'no selector selects nothing',
  );
  t.end();
});
