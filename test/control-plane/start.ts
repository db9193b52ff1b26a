/**
 * A real control plane for tests: etcd and kube-apiserver, and on wish kube-scheduler and kube-controller-manager.
 * Pods stay Pending: there is no kubelet. Everything lives in a temporary folder and is gone after `stop`.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../build/ports.js';
import { type Component, startComponent } from './component.js';
import { locateControlPlane, type Program, type Programs } from './locate.js';

export interface ControlPlaneOptions {
  /** Starts kube-scheduler with its default configuration; `startScheduler` starts one with another. */
  readonly scheduler?: boolean;
  /** Starts kube-controller-manager with the garbage collector, namespaces, deployments and replica sets. */
  readonly controllerManager?: boolean;
  readonly signal?: AbortSignal;
}

export interface ControlPlane extends AsyncDisposable {
  /** Path of a kubeconfig with full rights. */
  readonly kubeconfig: string;
  readonly server: string;
  readonly token: string;
  /** PEM file that verifies the API server. */
  readonly caFile: string;
  /** Temporary folder with data and one log file per program. */
  readonly folder: string;
  readonly programs: Programs;
  /** `configuration` gets the kubeconfig's path and returns the text of a KubeSchedulerConfiguration. */
  startScheduler(configuration?: (kubeconfig: string) => string): Promise<Component>;
  startControllerManager(controllers?: readonly string[]): Promise<Component>;
  stop(): Promise<void>;
}

const controllersByDefault = [
  'garbage-collector-controller',
  'namespace-controller',
  'deployment-controller',
  'replicaset-controller',
];

/** Undefined when etcd or kube-apiserver is not on this machine: skip with `missingControlPlane` then. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane | undefined> {
  const programs = locateControlPlane();
  if (programs === undefined) return undefined;
  options.signal?.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'tandem-control-plane-'));
  const running: Component[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= stopAll(running, folder));
  options.signal?.addEventListener('abort', () => void stop(), { once: true });
  try {
    const api = await startApi(programs, folder, running);
    const start = async (name: Program, args: readonly string[]) => {
      const component = run(programs, name, args, folder);
      running.push(component);
      return component;
    };
    const plane: ControlPlane = {
      ...api,
      folder,
      programs,
      async startScheduler(configuration) {
        const flags = ['--leader-elect=false', '--secure-port=0'];
        if (configuration === undefined) return start('kube-scheduler', [`--kubeconfig=${api.kubeconfig}`, ...flags]);
        const file = join(folder, `scheduler-${randomBytes(4).toString('hex')}.yaml`);
        await writeFile(file, configuration(api.kubeconfig));
        return start('kube-scheduler', [`--config=${file}`, ...flags]);
      },
      startControllerManager: (controllers = controllersByDefault) =>
        start('kube-controller-manager', [
          `--kubeconfig=${api.kubeconfig}`,
          '--leader-elect=false',
          '--secure-port=0',
          `--controllers=${controllers.join(',')}`,
        ]),
      stop,
      [Symbol.asyncDispose]: stop,
    };
    if (options.scheduler) await plane.startScheduler();
    if (options.controllerManager) await plane.startControllerManager();
    return plane;
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Api {
  readonly kubeconfig: string;
  readonly server: string;
  readonly token: string;
  readonly caFile: string;
}

/** A port that was free may be taken a moment later by another test: then all of it is tried again on other ports. */
async function startApi(programs: Programs, folder: string, running: Component[]): Promise<Api> {
  for (let attempt = 1; ; attempt++) {
    const started: Component[] = [];
    try {
      return await startApiOnce(programs, join(folder, `api-${attempt}`), started, folder);
    } catch (error) {
      await Promise.all(started.map((component) => component.stop()));
      started.length = 0;
      if (attempt === 3) throw error;
    } finally {
      running.unshift(...started);
    }
  }
}

async function startApiOnce(programs: Programs, base: string, started: Component[], folder: string): Promise<Api> {
  const [client, peer, secure] = await freePorts(3);
  const token = randomBytes(16).toString('hex');
  const keyFile = `${base}-service-account.key`;
  const tokenFile = `${base}-tokens.csv`;
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  await Promise.all([writeFile(keyFile, privateKey), writeFile(tokenFile, `${token},admin,admin,"system:masters"\n`)]);
  const etcdUrl = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  started.push(
    run(
      programs,
      'etcd',
      [
        `--data-dir=${base}-etcd`,
        `--listen-client-urls=${etcdUrl}`,
        `--advertise-client-urls=${etcdUrl}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        '--unsafe-no-fsync',
        '--log-level=warn',
      ],
      folder,
    ),
    run(
      programs,
      'kube-apiserver',
      [
        `--etcd-servers=${etcdUrl}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        `--secure-port=${secure}`,
        `--cert-dir=${base}-certs`,
        '--endpoint-reconciler-type=none',
        '--service-cluster-ip-range=10.96.0.0/16',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-signing-key-file=${keyFile}`,
        `--service-account-key-file=${keyFile}`,
        `--token-auth-file=${tokenFile}`,
        '--authorization-mode=RBAC',
        '--disable-admission-plugins=ServiceAccount',
        '--allow-privileged=true',
      ],
      folder,
    ),
  );
  const server = `https://127.0.0.1:${secure}`;
  await untilReady(server, token, started);
  const caFile = `${base}-certs/apiserver.crt`; // the self-signed certificate followed by the CA that signed it
  const kubeconfig = `${base}-kubeconfig.yaml`;
  await writeFile(kubeconfig, kubeconfigText(server, token, await readFile(caFile)));
  return { kubeconfig, server, token, caFile };
}

function run(programs: Programs, name: Program, args: readonly string[], folder: string): Component {
  const program = programs[name];
  if (program === undefined)
    throw new Error(`${name} is not beside etcd and kube-apiserver; run \`make control-plane\``);
  const log = join(folder, `${name}-${randomBytes(3).toString('hex')}.log`);
  return startComponent(name, program, args, { log, cwd: folder });
}

async function untilReady(server: string, token: string, components: readonly Component[]): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!(await answersReady(server, token))) {
    const ended = components.find((component) => component.hasEnded());
    if (ended) throw new Error(await ended.ended);
    if (Date.now() > deadline) throw new Error(`${server}/readyz did not answer 200 in 90 s`);
    await delay(100);
  }
}

function answersReady(server: string, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    const attempt = request(
      `${server}/readyz`,
      { headers: { authorization: `Bearer ${token}` }, rejectUnauthorized: false, agent: false, timeout: 5_000 },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode === 200));
        response.on('error', () => resolve(false));
      },
    );
    attempt.on('timeout', () => attempt.destroy());
    attempt.on('error', () => resolve(false));
    attempt.end();
  });
}

function kubeconfigText(server: string, token: string, ca: Buffer): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': ca.toString('base64') } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin', namespace: 'default' } }],
  };
  return JSON.stringify(config, undefined, 2);
}

/** Last started, first stopped: the API server goes before its etcd. */
async function stopAll(running: Component[], folder: string): Promise<void> {
  for (const component of [...running].reverse()) await component.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
