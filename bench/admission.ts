/**
 * What a review costs in `tandem webhook`, beside a minimal Go webhook that adds the same fields with generic maps.
 * `make bench-admission`; README.md beside this file says how it is measured and how to read it.
 */
import { deepEqual } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import jsonPatch from 'fast-json-patch';
import {
  createServing,
  startApi,
  startGoWebhook,
  startOurWebhook,
  type WebhookContender,
} from './admission-contenders.js';
import { pinSelf } from './contenders.js';
import { measuredVersion } from './measured-node.js';
import { cpuMicroseconds, residentKilobytes } from './process-tree.js';
import { askOnce, closedLoop, openLoop, type Reviewed } from './review-load.js';
import { podReviews, type Reviews, servingReviews } from './reviews.js';
import { median, quantile, spread } from './statistics.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    reviews: { type: 'string', default: '200000' },
    'warm-up': { type: 'string', default: '20000' },
  },
});
const rounds = Math.max(1, Number(values.rounds));
const milliseconds = Number(values.seconds) * 1000;
const connections = 8;
/** V8 optimises the path of a review over the first ten thousand or so. */
const warmUp = Number(values['warm-up']);

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Round extends Reviewed {
  /** CPU microseconds per review. */
  readonly cost: number;
}

async function measured({ name, pid }: WebhookContender, load: () => Promise<Reviewed>): Promise<Round> {
  const before = cpuMicroseconds(pid);
  const served = await load();
  const cost = (cpuMicroseconds(pid) - before) / served.reviews;
  if (served.wrong > 0) throw new Error(`${name} gave ${served.wrong} wrong answers: numbers would mean nothing`);
  return { ...served, cost };
}

/** Contenders take turns inside each round, so that what disturbs the machine disturbs all of them. */
async function inTurns(
  contenders: readonly WebhookContender[],
  load: (contender: WebhookContender) => Promise<Reviewed>,
): Promise<ReadonlyMap<WebhookContender, readonly Round[]>> {
  const results = new Map<WebhookContender, Round[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) {
      results.get(contender)?.push(await measured(contender, () => load(contender)));
    }
  }
  return results;
}

async function closed(what: string, contenders: readonly WebhookContender[], reviews: Reviews): Promise<void> {
  for (const contender of contenders) {
    await closedLoop(contender, reviews, { connections, reviews: warmUp });
  }
  const results = await inTurns(contenders, (one) => closedLoop(one, reviews, { connections, milliseconds }));
  const base = contenders[1] && results.get(contenders[1]);
  for (const [contender, all] of results) {
    const perCpuSecond = all.map(({ cost }) => 1e6 / cost);
    const ratios = all.map(({ cost }, i) => (base?.[i]?.cost ?? Number.NaN) / cost);
    const isOurs = contender === contenders[0] && contenders.length > 1;
    say(
      `${what}, as fast as it answers   ${contender.name.padEnd(17)} ${spread(perCpuSecond, 0)} reviews per CPU second, ` +
        `${spread(
          all.map(({ cost }) => cost),
          0,
        )} us each${isOurs ? `   ${spread(ratios, 2)} times Go` : ''}`,
    );
  }
}

async function open(
  what: string,
  contenders: readonly WebhookContender[],
  reviews: Reviews,
  perSecond: number,
): Promise<void> {
  const results = await inTurns(contenders, (one) => openLoop(one, reviews, { perSecond, milliseconds }));
  for (const [{ name }, all] of results) {
    const at = (share: number) =>
      spread(
        all.map(({ latencies }) => quantile(latencies, share)),
        2,
      );
    const reached = all.map((round) => (round.reviews / round.milliseconds) * 1000);
    say(
      `${what} at ${perSecond}/s   ${name.padEnd(17)} p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; answered ${median(reached).toFixed(0)}/s`,
    );
  }
}

async function memory(contenders: readonly WebhookContender[], reviews: Reviews, count: number): Promise<void> {
  for (const { name, pid, ...target } of contenders) {
    const served = await closedLoop(target, reviews, { connections, reviews: count });
    say(
      `RSS after ${served.reviews} more reviews   ${name.padEnd(17)} ${(residentKilobytes(pid) / 1024).toFixed(0)} MB`,
    );
  }
}

type Patched = { metadata: { annotations?: unknown; labels?: Record<string, unknown> } };

/** The object that a contender's answer makes of a review. */
async function outcome(contender: WebhookContender, { path, bodies }: Reviews): Promise<Patched> {
  const [body = ''] = bodies;
  const answer = (await askOnce(contender, { path, bodies })) as { response: { patch: string } };
  const patch = JSON.parse(Buffer.from(answer.response.patch, 'base64').toString());
  const { object } = (JSON.parse(body) as { request: { object: Patched } }).request;
  return jsonPatch.applyPatch(object, patch).newDocument;
}

/** Contenders must do the same work: equal objects, but for the texts that only name what was added and by which hash. */
async function compare(contenders: readonly WebhookContender[], reviews: Reviews): Promise<void> {
  const comparable = ({ metadata, ...rest }: Patched) => {
    const { annotations, labels = {}, ...others } = metadata;
    const hashed = { ...labels, 'tandem.dev/kv-fingerprint': labels['tandem.dev/kv-fingerprint'] !== undefined };
    return JSON.parse(
      JSON.stringify({ ...rest, metadata: { ...others, labels: hashed }, annotated: annotations !== undefined }),
    );
  };
  const outcomes = [];
  for (const contender of contenders) outcomes.push(comparable(await outcome(contender, reviews)));
  for (const other of outcomes.slice(1)) deepEqual(other, outcomes[0]);
}

async function main(): Promise<void> {
  if (cpus().length > 1) pinSelf();
  const folder = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
  const opened: { stop(): Promise<void> }[] = [];
  try {
    const site = await startApi(folder);
    opened.push(site);
    const asReviewed = await createServing(site.client, true);
    const ours = await startOurWebhook(site);
    opened.push(ours);
    const servings = servingReviews(asReviewed, 1);
    const repeated = servingReviews(asReviewed, 8);
    const pods = podReviews(await createServing(site.client, false));
    const go = await startGoWebhook(site, drainOf(await outcome(ours, pods)));
    if (go) opened.push(go);
    else say('go is not installed, so there is no ratio: install Go, then run this again.');
    const contenders = go ? [ours, go] : [ours];
    for (const reviews of [servings, repeated, pods]) await compare(contenders, reviews);
    say(
      `Node ${measuredVersion()}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), load ${loadavg()[0]?.toFixed(1)}, ${rounds} rounds of ${milliseconds} ms; median [range of the rounds]`,
    );
    say(`bodies: ModelServing ${servings.bodies[0]?.length} bytes, pod ${pods.bodies[0]?.length} bytes\n`);
    await closed('ModelServing, each one new', contenders, servings);
    await closed('ModelServing, one of eight new', contenders, repeated);
    await closed('pod', contenders, pods);
    await open('ModelServing, each one new', contenders, servings, 500);
    await open('ModelServing, one of eight new', contenders, repeated, 500);
    await open('pod', contenders, pods, 1000);
    await memory(contenders, repeated, Number(values.reviews));
  } finally {
    for (const part of opened.reverse()) await part.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Hooked = { spec?: { containers?: readonly { lifecycle?: { preStop?: unknown } }[] } };

const drainOf = (pod: unknown): unknown =>
  (pod as Hooked).spec?.containers?.find(({ lifecycle }) => lifecycle)?.lifecycle?.preStop ?? fail();

function fail(): never {
  throw new Error('the webhook gave the pod no drain hook; see test/core/expand/pod.test.ts');
}

await main();
