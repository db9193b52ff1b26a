/** The four parts, each opened the same way by its own command, by `tandem all`, by the lab and by the end-to-end tests; what only one of them needs is loaded with it. */
import { setMaxListeners } from 'node:events';
import { spoken } from '../../router/dialects/spoken.js';
import type { Limits } from '../../router/limits.js';
import type { OtherWorkers } from '../../router/sharing.js';
import { volcano } from '../api/names.js';
import { systemClock } from '../base/clock.js';
import { describeError } from '../base/errors.js';
import type { Running } from '../base/running.js';
import type { ExpandSettings } from '../core/expand/types.js';
import type { Profiles } from '../core/profiles/types.js';
import type { KubeClient } from '../kube/client.js';
import { parseAddress } from '../server/listen.js';
import { loadLadder } from '../settings/ladder.js';
import { loadProfiles, startProfiles } from '../settings/profiles.js';
import { createLogger, type LogLevel } from '../telemetry/log.js';
import { Metrics } from '../telemetry/metrics.js';
import { writeLog } from '../telemetry/standard-error.js';
import { writeWholeLines } from '../telemetry/whole-lines.js';
import { cliErrors } from './errors.js';
import { expandSettingsOf } from './expand-settings.js';
import { profileHistoryInCluster } from './profile-history.js';
import { type TlsFlags, tlsOf } from './tls-options.js';

interface Common {
  /** HOST:PORT. */
  readonly listen: string;
  readonly logLevel: LogLevel;
}

export interface WebhookPartOptions extends Common {
  readonly client: KubeClient;
  readonly profiles?: string;
  readonly url?: string;
  /** NAMESPACE/NAME. */
  readonly service?: string;
  /** Scheduler that pods asking for volcano get on a cluster without Volcano. */
  readonly scheduler?: string;
  /** False where the container runtime of the nodes mounts no driver. */
  readonly runtimeMounts?: boolean;
  /** Options of accelerator profiles for all servings, as `tandem.dev/options` spells them. */
  readonly options?: string;
  /** Folder with tls.crt, tls.key and ca.crt. */
  readonly certDir?: string;
  /** NAMESPACE/CERTIFICATE of cert-manager. */
  readonly injectCaFrom?: string;
}

export async function webhookPart(options: WebhookPartOptions, signal: AbortSignal): Promise<Running> {
  const { client, url, profiles: folder } = options;
  const logger = createLogger('webhook', options.logLevel);
  const onProblem = (error: unknown) => logger.error({ error: describeError(error) }, 'profiles stay as they were');
  const service = url === undefined ? serviceOf(options.service ?? 'tandem-system/tandem-webhook') : undefined;
  const history = service && profileHistoryInCluster(client, service.namespace);
  const profiles = await startProfiles(
    { ...(folder !== undefined && { folder }), ...(history && { history }), onProblem },
    signal,
  );
  const { startWebhook } = await import('../../webhooks/start.js');
  const webhook = await startWebhook(
    {
      client,
      listen: parseAddress(options.listen),
      profiles: profiles.current,
      dialects: [...spoken.keys()],
      ...(service && { service }),
      ...(url !== undefined && { url }),
      ...mountedOf(options),
      settings: settingsOf(options, profiles.current()),
      logger,
      metrics: new Metrics(),
      clock: systemClock,
    },
    signal,
  );
  const stop = async () => {
    await webhook.stop();
    await profiles.stop();
  };
  return stoppedBy(webhook, stop);
}

function settingsOf({ scheduler, ...flags }: WebhookPartOptions, profiles: Profiles): Partial<ExpandSettings> {
  return {
    ...expandSettingsOf(flags, profiles),
    ...(scheduler !== undefined && { schedulerNames: { [volcano.schedulerName]: scheduler } }),
  };
}

function mountedOf({ certDir: folder, injectCaFrom }: WebhookPartOptions) {
  if (injectCaFrom !== undefined && (folder === undefined || !/^[^/]+\/[^/]+$/.test(injectCaFrom))) {
    throw cliErrors('bad-injection', { value: injectCaFrom });
  }
  return folder === undefined ? {} : { mounted: { folder, ...(injectCaFrom !== undefined && { injectCaFrom }) } };
}

function serviceOf(value: string): { namespace: string; name: string } {
  const [namespace, name, ...rest] = value.split('/');
  if (!namespace || !name || rest.length > 0) throw cliErrors('bad-service', { value });
  return { namespace, name };
}

export interface ControllerPartOptions extends Common {
  readonly client: KubeClient;
  readonly workers?: number;
  /** Works only while holding the Lease: namespace of the Lease, and a name that is unique per process. */
  readonly leaderElection?: { readonly namespace?: string; readonly identity: string };
}

export async function controllerPart(options: ControllerPartOptions, signal: AbortSignal): Promise<Running> {
  const { startController } = await import('../controller/start.js');
  const { client, workers, leaderElection } = options;
  return startController(
    {
      client,
      address: parseAddress(options.listen),
      ...(workers !== undefined && { workers }),
      ...(leaderElection && { leaderElection }),
      logger: createLogger('controller', options.logLevel),
      metrics: new Metrics(),
      clock: systemClock,
    },
    signal,
  );
}

export interface ExtenderPartOptions extends Common {
  /** Milliseconds after which an answer is neutral. */
  readonly deadline?: number;
  /** File with costs and label keys of the distance ladder. */
  readonly ladder?: string;
  readonly source: { readonly client: KubeClient } | { readonly objects: string };
}

export function extenderPart(options: ExtenderPartOptions, signal: AbortSignal): Promise<Running> {
  return withStores(signal, async (own) => {
    const { openExtenderStores } = await import('../../extender/main.js');
    const { startExtender } = await import('../../extender/start.js');
    const logger = createLogger('extender', options.logLevel);
    const ladder = await loadLadder(options.ladder);
    const stores = await openExtenderStores(options.source, logger, own);
    const { listen, deadline } = options;
    const patience = deadline === undefined ? {} : { deadline };
    const common = { listen: parseAddress(listen), logger, metrics: new Metrics() };
    return startExtender({ ...stores, ...common, ...patience, ladder }, own);
  });
}

export interface RouterPartOptions extends Common, TlsFlags {
  readonly source: { readonly client: KubeClient } | { readonly objects: string };
  readonly metricsListen?: string;
  readonly profiles?: string;
  /** The other workers, where this process is one of several. */
  readonly workers?: OtherWorkers;
  readonly limits?: Limits;
  /** Begin a trace where the client has none. */
  readonly startTraces?: boolean;
}

export function routerPart(options: RouterPartOptions, signal: AbortSignal): Promise<Running> {
  return withStores(signal, async (own) => {
    const { openRouterStores } = await import('../../router/main.js');
    const { startRouter } = await import('../../router/start.js');
    const logger = createLogger('router', options.logLevel);
    const stores = await openRouterStores(options.source, logger, own);
    return startRouter(
      {
        ...stores,
        ...(await tlsOf(options)),
        profiles: await loadProfiles(options.profiles),
        listen: parseAddress(options.listen),
        ...(options.metricsListen !== undefined && { metricsListen: parseAddress(options.metricsListen) }),
        ...(options.workers && { workers: options.workers }),
        ...(options.limits && { limits: options.limits }),
        startTraces: options.startTraces ?? false,
        ...(logger.isLevelEnabled('info') && { accessLog: options.workers ? writeBesideOthers : writeLog }),
        logger,
        metrics: new Metrics(),
      },
      own,
    );
  });
}

const writeBesideOthers = (lines: Buffer): void => writeWholeLines(lines, writeLog);

/** A part whose watches are opened beside it: they end after it has stopped, and when it cannot start. */
async function withStores(outer: AbortSignal, start: (own: AbortSignal) => Promise<Running>): Promise<Running> {
  const end = new AbortController();
  const own = AbortSignal.any([outer, end.signal]);
  setMaxListeners(0, own);
  let part: Running;
  try {
    part = await start(own);
  } catch (error) {
    end.abort();
    throw error;
  }
  const stop = async () => {
    await part.stop();
    end.abort();
  };
  return stoppedBy(part, stop);
}

/** The same part with a stop that closes more. */
function stoppedBy({ address, ready }: Running, stop: () => Promise<void>): Running {
  return { ...(address && { address }), ready, stop, [Symbol.asyncDispose]: stop };
}
