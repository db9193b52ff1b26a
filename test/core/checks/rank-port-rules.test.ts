/** Data-parallel ranks that answer on ports of their own. */
import { boundaries, engine } from './boundaries.js';
import { decode, replaced } from './edits.js';

const external = (local?: string) =>
  decode(replaced({ 'data-parallel-external-lb': true, ...(local && { 'data-parallel-size-local': local }) }));
const declaring = (...numbers: number[]) =>
  decode((r) => Object.assign(r.container, { ports: numbers.map((containerPort) => ({ containerPort })) }));
const asking = (readinessProbe: object) => decode((r) => Object.assign(r.container, { readinessProbe }));
boundaries('TND-036', 'gpu', [
  ['one rank', [external('1')]],
  ['one rank, because nothing is said', [external()]],
  ['two ranks inside one server', [decode(replaced({ 'data-parallel-size-local': '2' }))]],
  ['two ranks, both declared', [external('2'), declaring(8000, 8001)]],
  [
    'two ranks, nothing declared',
    [external('2')],
    { path: `${engine.decode}.ports`, saw: undefined, want: '8000 to 8001', fix: 'declare containerPort 8000, 8001' },
  ],
  [
    'three ranks, two declared',
    [external('3'), declaring(8000, 8002)],
    { saw: '8000, 8002', want: '8000 to 8002', fix: 'declare containerPort 8001' },
  ],
  [
    'two ranks and a probe of one',
    [external('2'), declaring(8000, 8001), asking({ httpGet: { path: '/health', port: 8000 } })],
    {
      path: `${engine.decode}.readinessProbe`,
      saw: 'port 8000 alone',
      want: 'an exec probe that asks 8000 to 8001',
      severity: 'error',
    },
  ],
  ['two ranks and a probe by socket', [external('2'), declaring(8000, 8001), asking({ tcpSocket: { port: 1 } })], {}],
  ['two ranks and a probe by gRPC', [external('2'), declaring(8000, 8001), asking({ grpc: { port: 1 } })], {}],
  ['two ranks and a command', [external('2'), declaring(8000, 8001), asking({ exec: { command: ['true'] } })]],
  ['one rank and a probe', [external('1'), asking({ httpGet: { path: '/health', port: 8000 } })]],
  [
    'ranks without an API',
    [external('2'), declaring(8000, 8001), decode(replaced({ headless: true })), asking({ tcpSocket: { port: 1 } })],
  ],
  [
    'more ranks than memory holds',
    [external('100000000000000')],
    { want: '8000 to 100000000007999', fix: /^declare containerPort 8000, .*, 8063$/ },
  ],
]);
