/** Where an engine listens and who asks it: ports and probes of a hand-written container. */
import t from 'tap';
import { expanded, gpus, kv, nixl } from './hand-written-engine.js';

t.test('probes ask what the user’s own probe asks', async (t) => {
  const probes = (container: object) => {
    const { startupProbe, readinessProbe, livenessProbe } = expanded(container).engine;
    return { startupProbe, readinessProbe, livenessProbe };
  };
  const own = { httpGet: { path: '/health', port: 8000 }, periodSeconds: 5, timeoutSeconds: 5 };
  t.same(probes({ args: ['m'] }), {
    startupProbe: { ...own, failureThreshold: 720 },
    readinessProbe: { ...own, timeoutSeconds: 2, failureThreshold: 3 },
    livenessProbe: { ...own, periodSeconds: 10, failureThreshold: 3 },
  });
  for (const handler of [
    { tcpSocket: { port: 1 } },
    { exec: { command: ['a'] } },
    { grpc: { port: 1 } },
    { httpGet: { port: 1 } },
  ]) {
    const { startupProbe, readinessProbe } = probes({ args: ['m'], livenessProbe: { ...handler, periodSeconds: 99 } });
    t.same(startupProbe, { ...handler, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 720 });
    t.match(readinessProbe, handler);
  }
  const fixed = { httpGet: { path: '/ready-for-traffic', port: 1 }, periodSeconds: 1 };
  t.match(
    probes({ args: ['m'], readinessProbe: fixed }),
    {
      startupProbe: { httpGet: fixed.httpGet },
      livenessProbe: { httpGet: { path: '/health', port: 8000 }, failureThreshold: 3 },
    },
    'readiness, when there is no liveness; but what only takes traffic away starts no pod again',
  );
  t.same(
    probes({ args: ['m'], readinessProbe: { httpGet: { port: 1, scheme: 'HTTPS' } } }).livenessProbe?.httpGet,
    { path: '/health', port: 8000, scheme: 'HTTPS' },
    'an engine that speaks TLS is asked over TLS',
  );
  t.match(
    probes({ args: ['m'], livenessProbe: { tcpSocket: { port: 1 } }, readinessProbe: { tcpSocket: { port: 2 } } })
      .startupProbe,
    { tcpSocket: { port: 1 } },
    'liveness before readiness',
  );
  t.match(
    probes({ args: ['m'], livenessProbe: {} }).startupProbe,
    { httpGet: { port: 8000 } },
    'a probe without a question',
  );
  t.match(
    probes({ args: ['m'], livenessProbe: 'x' }).startupProbe,
    { httpGet: { port: 8000 } },
    'a probe of a wrong shape',
  );
  const hidden = { command: ['/start.sh'], ...gpus(1) };
  t.same(
    probes(hidden),
    { startupProbe: undefined, readinessProbe: undefined, livenessProbe: undefined },
    'nobody knows what to ask',
  );
  t.match(
    probes({ ...hidden, livenessProbe: { tcpSocket: { port: 7 } } }).startupProbe,
    { tcpSocket: { port: 7 } },
    'but the user does',
  );
  t.match(
    probes({ ...hidden, readinessProbe: { tcpSocket: { port: 7 } } }),
    { startupProbe: { tcpSocket: { port: 7 } }, livenessProbe: undefined },
    'and says nothing of liveness',
  );
  const ranks = ['m', '-dp', '2', '--data-parallel-external-lb', '--data-parallel-size-local', '2'];
  t.match(
    probes({ args: ranks }).readinessProbe?.exec?.command?.slice(3),
    ['/health', '8000', '8001'],
    'every rank that answers on a port of its own',
  );
});

const portsOf = (container: object, spec: object = {}) =>
  expanded(container, { spec }).engine.ports?.map(({ name, containerPort, hostPort, protocol }) =>
    [name ?? '', containerPort, hostPort ?? '', protocol].join(' '),
  );
t.test('ports', async (t) => {
  const host = { hostNetwork: true };
  const port = (value: unknown) => ({ env: [{ name: 'VLLM_NIXL_SIDE_CHANNEL_PORT', value }] });
  t.same(portsOf({ args: ['m'] }), ['http 8000  TCP']);
  t.same(portsOf({ args: ['m', '--port', '9000'] }), ['http 9000  TCP']);
  t.same(portsOf({ args: nixl }), ['http 8000  TCP', 'kv-side 5600  TCP']);
  t.same(portsOf({ args: nixl }, host), ['http 8000 8000 TCP', 'kv-side 5600 5600 TCP']);
  t.same(
    portsOf({ args: [...nixl, '-tp', '2'] }, host),
    ['http 8000 8000 TCP', 'kv-side 5600 5600 TCP', ' 5601 5601 TCP'],
    'a port for each device',
  );
  t.same(
    portsOf({ args: [...nixl, '-tp', '2'] }),
    ['http 8000  TCP', 'kv-side 5600  TCP'],
    'the first stands for all on the pod network',
  );
  t.equal(portsOf({ args: nixl, ...gpus(100) }, host)?.length, 65, 'no node has more than 64 devices');
  for (const value of ['7000', '65535', '1'])
    t.match(portsOf({ args: nixl, ...port(value) })?.[1], `kv-side ${value} `);
  for (const value of ['0', '-1', '65536', 'x', '5600.5', ''])
    t.match(portsOf({ args: nixl, ...port(value) })?.[1], 'kv-side 5600 ', `"${value}" is no port`);
  const p2p = (port: unknown) => portsOf({ args: ['m', ...kv('P2pNcclConnector', { kv_port: port })] })?.[1];
  t.equal(p2p('21500'), 'kv-port 21500  TCP');
  t.equal(p2p(21_500), 'kv-port 21500  TCP');
  t.equal(p2p([21_500]), 'kv-port 21001  TCP', 'what is no number is not used');
  t.same(
    portsOf({ args: ['m'], ports: [{ name: 'http', containerPort: 9 }] }),
    ['http 9  ', ' 8000  TCP'],
    'a name that is taken is not used again',
  );
  t.same(portsOf({ args: ['m'], ports: [{ containerPort: 8000 }] }), [' 8000  '], 'a port that is declared stands');
  const ranks = ['m', '-dp', '2', '--data-parallel-external-lb', '--data-parallel-size-local', '2'];
  t.same(portsOf({ args: ranks }), ['http 8000  TCP', 'http-1 8001  TCP']);
  t.same(portsOf({ args: ['m', '--data-parallel-rpc-port', '7777'] }), ['http 8000  TCP', 'dp-rpc 7777  TCP']);
  t.same(portsOf({ args: ['m', '--data-parallel-rpc-port', '0'] }), ['http 8000  TCP']);
  t.same(portsOf({ command: ['/start.sh'], ...gpus(1) }), undefined);
});
