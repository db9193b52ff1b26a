/** Admission while certificate and CA rotate, while it is killed and comes back; on a real API server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import type { Clock } from '../../src/base/clock.js';
import { defaultRotation } from '../../src/certs/rotate.js';
import type { RawObject } from '../../src/kube/client.js';
import { mutatingWebhooks } from '../../src/kube/resources.js';
import { freePort } from '../build/ports.js';
import { eventually, needsControlPlane, sample, startAdmission, startApiServer, untilExpanding } from './admission.js';

const day = 86_400_000;
const gpu = sample('gpu/modelserving');

interface Configuration extends RawObject {
  readonly webhooks: { readonly clientConfig: { readonly caBundle: string } }[];
}

t.setTimeout(300_000);
t.test('admission on a real API server', needsControlPlane, async (t) => {
  const api = await startApiServer(t);
  const { plane, client, kubectl } = api;
  // TLS knows the real time only, so the 50 days that pass here end now and every certificate is valid all along.
  let now = Date.now() - 50 * day;
  const clock: Clock = { now: () => now };
  const rotation = { ...defaultRotation, authorityLifetime: 60 * day, servingLifetime: 55 * day };
  const webhook = await startAdmission(t, api, { clock, rotation, renewEvery: 50 });
  const works = () => untilExpanding(t, api);

  await t.test('not one apply of a stream fails while certificate and CA rotate', async (t) => {
    const bundles = new Set<string>();
    const state = { done: false, applied: 0 };
    const failures: string[] = [];
    const stream = async (lane: number) => {
      const text = (await readFile(gpu, 'utf8')).replace('name: vllm-qwen-06b', `name: stream-${lane}`);
      for (let i = 0; !state.done; i++) {
        const grace = text.replace(/restartGracePeriodSeconds: \d+/, `restartGracePeriodSeconds: ${i + 1}`);
        const { code, stderr } = await kubectl('apply -f -', grace);
        if (code !== 0) failures.push(stderr);
        state.applied++;
      }
    };
    const lanes = [stream(0), stream(1)];
    const applies = async (count: number) => {
      const goal = state.applied + count;
      await eventually(t, 'more applies', async () => (state.applied >= goal ? true : undefined));
    };
    for (const step of [0, 37 * day, 4 * day, day / 24, day]) {
      now += step;
      await applies(8);
      const { webhooks } = await client.get<Configuration>(mutatingWebhooks, { name: 'tandem' });
      bundles.add(webhooks[0]?.clientConfig.caBundle ?? '');
    }
    state.done = true;
    await Promise.all(lanes);
    t.strictSame(failures, [], `${state.applied} applies`);
    t.ok(bundles.size >= 2, 'the bundle grew by the new CA');
  });

  await t.test('killed, it refuses by name; started again, it works without any repair by hand', async (t) => {
    await webhook.stop();
    const children: ChildProcess[] = [];
    t.teardown(() => children.forEach((child) => void child.kill('SIGKILL')));
    const start = async (port: number) => {
      const args = ['webhook', '--listen', `127.0.0.1:${port}`, '--url', `https://127.0.0.1:${port}`];
      const child = spawn(process.execPath, ['dist/src/cli/main.js', ...args, '--kubeconfig', plane.kubeconfig], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      children.push(child);
      return child;
    };
    const port = await freePort();
    const first = await start(port);
    await works();
    first.kill('SIGKILL');
    await once(first, 'exit');
    const text = (await readFile(gpu, 'utf8')).replace('name: vllm-qwen-06b', 'name: orphan');
    t.match((await kubectl('apply -f -', text)).stderr, /failed calling webhook "modelservings\.expand\.tandem\.dev"/);
    t.equal((await kubectl('delete modelserving stream-0')).code, 0, 'deleting works');
    await start(port);
    await works();
    t.equal((await kubectl('apply -f -', text)).code, 0);
  });
});
