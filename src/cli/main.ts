#!/usr/bin/env node
/** The one binary. Each command is its own file, imported only when it is asked for, so that help and errors are instant. */
import { readFileSync } from 'node:fs';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { logLevels } from '../telemetry/log.js';
import { applyConfigFile } from './config-file.js';
import { reportFailure } from './failure.js';
import { limitOptions } from './limit-options.js';
import { tlsOptions } from './tls-options.js';

const kubeconfig = () =>
  new Option('--kubeconfig <file>', 'cluster to talk to (else KUBECONFIG, else in-cluster, else ~/.kube/config)');
const listen = (fallback: string) =>
  new Option('--listen <host:port>', 'address to serve on; port 0 picks a free one and prints it').default(fallback);
const logLevel = () =>
  new Option('--log-level <level>', 'how much to log on stderr').choices([...logLevels]).default('info');
const config = () => new Option('--config <file>', 'YAML file with the long names of these flags as keys; flags win');
const profiles = () =>
  new Option('--profiles <folder>', 'accelerator, engine and connector profiles (else the shipped ones)');
const runtimeMounts = () =>
  new Option(
    '--no-runtime-mounts',
    'the container runtime of the nodes mounts no driver (no Ascend Docker Runtime): mount it from the node',
  );
const options = () =>
  new Option(
    '--options <list>',
    'options of accelerator profiles for all servings: NAME=VALUE, comma separated (docs/profiles.md)',
  );
const objects = (kinds: string) =>
  new Option('--objects <file>', `read ${kinds} from this YAML file instead of a cluster; re-read when it changes`);
const file = () => new Option('-f, --filename <file...>', 'manifest, or - for standard input').makeOptionMandatory();
const output = () => new Option('-o, --output <format>', 'json for machines').choices(['json']);
const certDir = () =>
  new Option(
    '--cert-dir <folder>',
    'serve admission with tls.crt, tls.key and ca.crt of this folder, not with an own CA',
  );
const injectCaFrom = () =>
  new Option('--inject-ca-from <namespace/certificate>', "leave the webhook's caBundle to cert-manager");
const workersOption = (says: string, legal: RegExp, wanted: string) =>
  new Option('--workers <count>', says).argParser((value) => {
    if (legal.test(value)) return value;
    throw new InvalidArgumentError(`bad-workers: write ${wanted}.`);
  });
const workers = () =>
  workersOption('ModelServings reconciled at once (else 8)', /^[1-9]\d{0,5}$/, 'a whole number, 1 or more');
const processes = () =>
  workersOption(
    'processes that serve; auto for one a core',
    /^(auto|\d{1,3})$/,
    'a whole number, or auto for one a core',
  ).default('1');
const traces = () =>
  new Option('--start-traces', 'begin a W3C trace for requests without a traceparent header (else they get none)');
const url = () =>
  new Option(
    '--url <url>',
    'register the webhook by URL (https://HOST:PORT) instead of by Service, for a webhook outside the cluster',
  );
const service = () =>
  new Option('--service <namespace/name>', 'register the webhook by this Service').default(
    'tandem-system/tandem-webhook',
  );
const scheduler = () =>
  new Option('--scheduler <name>', 'scheduler that pods asking for volcano get on a cluster without Volcano').default(
    'default-scheduler',
  );
const metricsListen = (fallback: string) =>
  new Option('--metrics-listen <host:port>', 'address of /metrics and the probes').default(fallback);

/** Runs the command file's `run`; commander hands the options last but one. */
const lazy =
  (load: () => Promise<{ run: (options: never, ...args: never[]) => Promise<number | undefined> }>) =>
  async (...args: unknown[]) => {
    const command = args.at(-1) as Command;
    const { run } = await load();
    process.exitCode = (await run(command.opts() as never, ...(args.slice(0, -2) as never[]))) ?? 0;
  };

function packageVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

export function program(): Command {
  const root = new Command('tandem')
    .description('Prefill/decode disaggregated LLM inference on Kubernetes: expand, run, place, pair, prove')
    .version(packageVersion(), '--version')
    .exitOverride()
    .showHelpAfterError('(run with --help to see the flags)')
    .hook('preAction', (_, command) => applyConfigFile(command));
  addLabCommands(root);
  addFileCommands(root);
  for (const add of [addWebhook, addController, addExtender, addRouter, addAll]) add(root);
  addQuestions(root);
  return root;
}

function addLabCommands(root: Command): void {
  root
    .command('demo')
    .description('the main job in the lab, end to end: apply, expand, place, answer, clean up')
    .addArgument(new Argument('[which]', 'what to show').choices(['gpu', 'npu', 'terse', 'all']).default('all'))
    .addOption(logLevel().default('silent'))
    .action(lazy(() => import('./commands/demo.js')));
  root
    .command('lab')
    .description(
      'keep the lab up: an API server for any kubectl, scheduler, kubelet, simulated engines and every part of Tandem',
    )
    .option('--nodes <file>', 'nodes and fabric as YAML (else a default with GPU and NPU racks)')
    .option('--kubeconfig <file>', "join this cluster's API server and scheduler instead of starting our own")
    .option('--kubeconfig-out <file>', 'write the kubeconfig here (else a temporary file)')
    .addOption(listen('127.0.0.1:8080'))
    .option('--api-listen <host:port>', "address of the lab's API server", '127.0.0.1:0')
    .addOption(config())
    .addOption(logLevel().default('warn'))
    .action(lazy(() => import('./commands/lab.js')));
}

function addFileCommands(root: Command): void {
  root
    .command('expand')
    .description('print the expanded manifests; no cluster needed')
    .addOption(file())
    .option('--explain', 'add the reason of every injected field')
    .addOption(profiles())
    .addOption(runtimeMounts())
    .addOption(options())
    .addOption(output())
    .action(lazy(() => import('./commands/expand.js')));
  root
    .command('check')
    .description('print findings with code, path, reason and fix; exit 1 when one is an error')
    .addOption(file())
    .addOption(profiles())
    .addOption(runtimeMounts())
    .addOption(options())
    .addOption(
      new Option('-o, --output <format>', 'json for machines, sarif for code hosts').choices(['json', 'sarif']),
    )
    .action(lazy(() => import('./commands/check.js')));
  root
    .command('plan')
    .description('where the pods of a ModelServing would go on the nodes of a cluster or file')
    .addOption(file())
    .option('--nodes <file>', 'nodes as the lab reads them, instead of a cluster')
    .addOption(kubeconfig())
    .addOption(profiles())
    .addOption(output())
    .action(lazy(() => import('./commands/plan.js')));
}

function addWebhook(root: Command): void {
  root
    .command('webhook')
    .description('admission: expands ModelServings and pods, checks, stamps topology; registers itself with its own CA')
    .addOption(listen('0.0.0.0:9443'))
    .addOption(url())
    .addOption(service())
    .addOption(certDir())
    .addOption(injectCaFrom())
    .addOption(scheduler())
    .addOption(runtimeMounts())
    .addOption(options())
    .addOption(profiles())
    .addOption(kubeconfig())
    .addOption(config())
    .addOption(logLevel())
    .action(lazy(() => import('./commands/webhook.js')));
}

function addController(root: Command): void {
  root
    .command('controller')
    .description('turns ModelServings into pods, services and status')
    .addOption(listen('0.0.0.0:9081'))
    .option('--leader-elect', 'run only while holding the Lease, for two replicas or more')
    .option(
      '--leader-elect-namespace <namespace>',
      'where the Lease is (else the own namespace in a cluster, else tandem-system)',
    )
    .addOption(workers())
    .addOption(kubeconfig())
    .addOption(config())
    .addOption(logLevel())
    .action(lazy(() => import('./commands/controller.js')));
}

function addExtender(root: Command): void {
  root
    .command('extender')
    .description('scheduler extender: scores nodes by distance to the rest of the serving group')
    .addOption(listen('127.0.0.1:9600'))
    .addOption(objects('Nodes, Pods and ModelServings'))
    .option('--ladder <file>', 'costs and node label keys of the distance ladder (docs/placement.md)')
    .addOption(kubeconfig())
    .addOption(config())
    .addOption(logLevel())
    .action(lazy(() => import('./commands/extender.js')));
}

function addRouter(root: Command): void {
  const command = root
    .command('router')
    .description('pairs a prefill and a decode pod per request and speaks their protocol')
    .addOption(listen('0.0.0.0:8080'))
    .addOption(metricsListen('0.0.0.0:9090'))
    .addOption(processes())
    .addOption(traces())
    .addOption(objects('ModelServers, ModelRoutes and Pods'))
    .addOption(profiles())
    .addOption(kubeconfig())
    .addOption(config())
    .addOption(logLevel())
    .action(lazy(() => import('./commands/router.js')));
  for (const option of [...tlsOptions(), ...limitOptions()]) command.addOption(option);
}

function addAll(root: Command): void {
  const command = root
    .command('all')
    .description('webhook, controller, extender and router in one process, on their default ports')
    .option('--webhook-listen <host:port>', 'admission', '0.0.0.0:9443')
    .option('--controller-listen <host:port>', "controller's probes and metrics", '0.0.0.0:9081')
    .option('--extender-listen <host:port>', 'scheduler extender', '127.0.0.1:9600')
    .addOption(workers())
    .addOption(listen('0.0.0.0:8080'))
    .addOption(metricsListen('0.0.0.0:9090'))
    .addOption(traces())
    .addOption(url())
    .addOption(service())
    .addOption(certDir())
    .addOption(injectCaFrom())
    .addOption(scheduler())
    .addOption(runtimeMounts())
    .addOption(options())
    .addOption(profiles())
    .addOption(kubeconfig())
    .addOption(config())
    .addOption(logLevel())
    .action(lazy(() => import('./commands/all.js')));
  for (const option of [...tlsOptions(), ...limitOptions()]) command.addOption(option);
}

function addQuestions(root: Command): void {
  root
    .command('status')
    .description('servings, their groups, roles, pods and places in a running installation')
    .argument('[name]', 'one ModelServing')
    .option('-n, --namespace <namespace>', 'only this namespace')
    .addOption(kubeconfig())
    .addOption(output())
    .action(lazy(() => import('./commands/status.js')));
  root
    .command('explain')
    .description('what admission added to a ModelServing, field by field, with the reason')
    .argument('[name]', 'a ModelServing of the cluster (or use -f)')
    .option('-f, --filename <file...>', 'manifest, or - for standard input')
    .option('-n, --namespace <namespace>', 'namespace', 'default')
    .addOption(profiles())
    .addOption(kubeconfig())
    .addOption(output())
    .action(lazy(() => import('./commands/explain.js')));
  root
    .command('doctor')
    .description('what a cluster has and lacks for Tandem; exit 1 when something is missing')
    .addOption(kubeconfig())
    .addOption(output())
    .action(lazy(() => import('./commands/doctor.js')));
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads has seen enough, as `head` has; anything else, such as a full disk, is worth a word.
  process.exit(error.code === 'EPIPE' ? process.exitCode : reportFailure(error));
});

try {
  await program().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportFailure(error);
}
