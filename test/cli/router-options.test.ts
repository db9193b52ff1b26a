import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { defaultOf, limitFlags, limitsPerWorker, readLimit } from '../../router/limit-flags.js';
import { defaultLimits } from '../../router/limits.js';
import { limitsOf } from '../../src/cli/limit-options.js';
import { workerCount } from '../../src/cli/workers/count.js';
import { restartDelay } from '../../src/cli/workers/restart-delay.js';
import { run } from '../e2e/kubectl.js';

const tandem = (...args: readonly string[]) =>
  run(process.execPath, ['dist/src/cli/main.js', ...args], { env: { KUBECONFIG: '', HOME: '/nonexistent' } });

t.test('every limit has one flag, whose default is the one in use', (t) => {
  t.same(limitFlags.map(({ limit }) => limit).sort(), Object.keys(defaultLimits).sort());
  t.equal(new Set(limitFlags.map(({ flag }) => flag)).size, limitFlags.length);
  for (const row of limitFlags) t.equal(readLimit(row, defaultOf(row)), defaultLimits[row.limit], row.flag);
  t.same(limitsOf({}), defaultLimits);
  t.end();
});

t.test('flags are read with their units', (t) => {
  const read = limitsOf({
    maxBody: '8Mi',
    maxHeader: '16384',
    maxRequests: '12',
    prefillTimeout: '1m30s',
    drain: '0',
    heartbeat: '500ms',
    attempts: '1',
    logLevel: 'info',
  });
  t.match(read, {
    bodyBytes: 8 * 1024 * 1024,
    headerBytes: 16_384,
    requestsInFlight: 12,
    prefillMs: 90_000,
    drainMs: 0,
    heartbeatMs: 500,
    attempts: 1,
    decodeMs: defaultLimits.decodeMs,
  });
  t.end();
});

t.test('what cannot be a limit is refused with a code and what to write', (t) => {
  for (const [option, value, says] of [
    ['maxBody', '64MB', /--max-body "64MB" cannot be used; write a size such as 64Mi, from 1Ki to 1024Gi/],
    ['maxBody', '-1', /a size/],
    ['maxBody', '0', /a size/],
    ['maxHeader', '2Mi', /from 1Ki to 1Mi/],
    ['maxRequests', '0', /--max-requests "0" cannot be used; write a whole number, from 1 to 10000000/],
    ['maxRequests', '1e3', /a whole number/],
    ['prefillTimeout', '30', /a time such as 30s or 1m30s, from 0 to 168h/],
    ['slowClientTimeout', '0', /from 1ms to 168h/],
    ['drain', '169h', /168h/],
    ['attempts', '11', /from 1 to 10/],
  ] as const) {
    t.throws(() => limitsOf({ [option]: value }), { code: 'bad-limit', message: says }, `${option} ${value}`);
  }
  t.end();
});

t.test('workers share what holds for the router as a whole', (t) => {
  const part = limitsPerWorker({ ...defaultLimits, requestsInFlight: 10, connectionsPerClient: 1 }, 3);
  t.match(part, { requestsInFlight: 4, connectionsPerClient: 1, bodyBytes: defaultLimits.bodyBytes });
  t.equal(part.connections, Math.ceil(defaultLimits.connections / 3));
  t.end();
});

t.test('what one worker may take is never too little for what one request or client may have', (t) => {
  const { bodyBytes } = defaultLimits;
  t.equal(limitsPerWorker(defaultLimits, 64).bodyBytesInFlight, bodyBytes, 'the largest body fits into each');
  const of = (connectionsPerClient: number) =>
    limitsPerWorker({ ...defaultLimits, connectionsPerClient }, 4).connectionsPerClient;
  t.same([4, 100, 300, 400, 4000].map(of), [4, 100, 100, 100, 1000], 'they do not come to the workers evenly');
  t.end();
});

t.test('bodies together may not have less room than one of them', (t) => {
  const says = /--max-bodies 32Mi is less than --max-body 64Mi.*raise --max-bodies to 64Mi, or lower --max-body/;
  t.throws(() => limitsOf({ maxBodies: '32Mi' }), { code: 'bodies-below-body', message: says });
  t.throws(() => limitsOf({ maxBody: '2Gi' }), { code: 'bodies-below-body' });
  t.same(limitsOf({ maxBodies: '64Mi' }).bodyBytesInFlight, defaultLimits.bodyBytes);
  t.end();
});

t.test('--workers', (t) => {
  t.equal(workerCount('3'), 3);
  t.ok(workerCount('auto') >= 1 && workerCount('auto') <= availableParallelism());
  t.equal(workerCount('0'), workerCount('auto'));
  for (const value of ['-1', '1.5', 'many', '513', ''])
    t.throws(() => workerCount(value), { code: 'bad-workers' }, value);
  t.end();
});

t.test('a worker that dies young is waited for ever longer', (t) => {
  let failures = 0;
  const delays = Array.from({ length: 11 }, () => {
    const next = restartDelay(failures, 50);
    failures = next.failures;
    return next.delayMs;
  });
  t.same(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  t.same(restartDelay(failures, 60_000), { failures: 0, delayMs: 0 }, 'one that had lived is replaced at once');
  t.end();
});

t.test('the command line shows and checks limits, of the router alone and with the other parts', async (t) => {
  for (const command of ['router', 'all']) {
    const { stdout } = await tandem(command, '--help');
    const flat = stdout.replaceAll(/\s+/g, ' ');
    for (const row of limitFlags) t.match(flat, `--${row.flag} <`, `${command} --${row.flag}`);
    t.match(flat, '(else 64Mi)');
    const { code, stderr } = await tandem(command, '--max-body', 'much');
    t.equal(code, 2);
    t.match(stderr, /bad-limit: --max-body "much" cannot be used; write a size such as 64Mi/);
  }
  const file = join(t.testdir({ 'router.yaml': 'max-body: much\n' }), 'router.yaml');
  const { code, stderr } = await tandem('router', '--config', file);
  t.equal(code, 1);
  t.match(stderr, /^error bad-limit: --max-body "much"/);
  t.match(await tandem('router', '--workers', 'many'), { code: 2, stderr: /bad-workers/ });
});

t.test('the documentation tells every flag and its default', (t) => {
  const page = readFileSync('docs/router.md', 'utf8');
  for (const row of limitFlags) t.match(page, `| \`--${row.flag}\` | ${defaultOf(row)} |`, row.flag);
  t.end();
});
