/** The webhook server on a real TLS socket, over a world of plain objects; and the recorded reviews to send to it. */
import { readFile } from 'node:fs/promises';
import type { ClientRequest, IncomingHttpHeaders } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import jsonPatch from 'fast-json-patch';
import type { Test } from 'tap';
import type { Node } from '../../src/api/kube.js';
import type { ModelServing } from '../../src/api/types.js';
import { systemClock } from '../../src/base/clock.js';
import { authoritiesInMemory } from '../../src/certs/authorities.js';
import { CredentialKeeper } from '../../src/certs/keeper.js';
import { defaultExpandSettings } from '../../src/core/expand/types.js';
import type { ControllerRevision } from '../../src/core/rollout/observed.js';
import type { RawObject } from '../../src/kube/client.js';
import { ObjectMap } from '../../src/kube/object-map.js';
import { loadProfiles } from '../../src/settings/profiles.js';
import { silentLogger } from '../../src/telemetry/log.js';
import { Metrics } from '../../src/telemetry/metrics.js';
import { BodyBudget } from '../../webhooks/body.js';
import { KnownExpansions } from '../../webhooks/mutate/known-expansions.js';
import { createObserver } from '../../webhooks/observe.js';
import { createWebhookServer } from '../../webhooks/server.js';
import { webhooksOver } from '../../webhooks/webhooks.js';
import type { World } from '../../webhooks/world.js';

const profiles = await loadProfiles();
const settings = { ...defaultExpandSettings, schedulerNames: { volcano: 'default-scheduler' } };
export const recorded = (name: string) => readFile(`test/fixtures/webhooks/review-${name}.json`, 'utf8');

export interface Review {
  readonly request: { uid: string; object: RawObject; name: string; namespace: string; [other: string]: unknown };
  readonly [other: string]: unknown;
}
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
  readonly response: {
    uid: string;
    allowed: boolean;
    patch?: string;
    warnings?: string[];
    status?: { code: number; message: string };
  };
}

export function worldOf(
  objects: {
    nodes?: readonly RawObject[];
    servings?: readonly RawObject[];
    revisions?: readonly ControllerRevision[];
  } = {},
): World {
  const store = <T extends RawObject>(items: readonly RawObject[] = []) => {
    const map = new ObjectMap<T>({ logger: silentLogger });
    map.replaceAll(items as readonly T[]);
    return map;
  };
  const servings = store<RawObject & ModelServing>(objects.servings);
  return {
    profiles: () => profiles,
    settings: () => settings,
    expansions: new KnownExpansions(),
    nodes: store<RawObject & Node>(objects.nodes),
    modelServings: servings,
    findServing: (namespace, name) => Promise.resolve(servings.get(namespace, name)),
    findRevision: (_, name) => Promise.resolve(objects.revisions?.find(({ metadata }) => metadata.name === name)),
    modelServers: store(),
    modelRoutes: store(),
    hasVolcano: () => false,
    fallbackScheduler: 'default-scheduler',
  };
}

export async function openServer(t: Test, world = worldOf(), requestTimeout = 5_000, budget = new BodyBudget()) {
  const keeper = new CredentialKeeper({
    store: authoritiesInMemory(),
    hosts: ['127.0.0.1'],
    clock: systemClock,
    logger: silentLogger,
  });
  const { credentials } = await keeper.refresh();
  const metrics = new Metrics();
  const server = createWebhookServer({
    webhooks: webhooksOver(world),
    probes: { metrics, notReady: () => undefined },
    observer: createObserver(metrics, silentLogger),
    tls: { cert: credentials.serving.certificate, key: credentials.serving.key },
    requestTimeout,
    budget,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const agent = new Agent({ keepAlive: true, ca: credentials.bundle });
  t.teardown(() => {
    agent.destroy();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const send = (
    path: string,
    body: string | Buffer,
    headers: Record<string, string> = {},
    options: RequestOptions = {},
  ) =>
    call(
      {
        host: '127.0.0.1',
        port,
        agent,
        path,
        method: 'POST',
        ...options,
        headers: { 'content-type': 'application/json', ...headers },
      },
      (out) => out.end(body),
    );
  return {
    send,
    metrics,
    server,
    /** A connection on which a test writes what it likes. */
    raw: () => {
      const socket = connect({ host: '127.0.0.1', port, ca: credentials.bundle });
      t.teardown(() => socket.destroy());
      return socket;
    },
    call: (options: RequestOptions, write: (out: ClientRequest) => void) =>
      call({ host: '127.0.0.1', port, agent, ...options }, write),
  };
}

function call(options: RequestOptions, write: (out: ClientRequest) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const out = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = incoming.headers['content-type']?.startsWith('application/json');
        const { response } = isJson
          ? (JSON.parse(text) as Pick<Answer, 'response'>)
          : { response: { uid: '', allowed: false } };
        resolve({ status: incoming.statusCode ?? 0, text, headers: incoming.headers, response });
      });
      incoming.on('error', reject);
    });
    out.on('error', reject);
    write(out);
  });
}

export const patched = (review: Review, { response }: Answer): RawObject =>
  jsonPatch.applyPatch(
    structuredClone(review.request.object),
    JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString() || '[]'),
  ).newDocument;
