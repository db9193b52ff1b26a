/** The import rules of the house: downward only. Run by `make check`. */
const ours = '^(src|webhooks|extender|router|test|bench)/';
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: `^${from}/` },
  to: { path: ours, pathNot: allowed.map((a) => `^${a}/`) },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'nothing-imports-test',
      severity: 'error',
      from: { pathNot: '^(test|bench)/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'lab-is-for-development',
      severity: 'error',
      from: { pathNot: '^(src/lab|src/cli|test|bench)/' },
      to: { path: '^src/lab/' },
    },
    { name: 'no-barrels', severity: 'error', from: {}, to: { path: `${ours}.*/index\\.ts$` } },
    {
      name: 'core-is-pure',
      severity: 'error',
      from: { path: '^src/(core|base|api)/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto)$' },
    },
    {
      name: 'core-knows-no-logger',
      severity: 'error',
      from: { path: '^src/(core|base|api)/' },
      to: { path: 'node_modules/(pino|prom-client|express|undici|@kubernetes)/' },
    },
    only('base-is-a-leaf', 'src/base', ['src/base']),
    only('api', 'src/api', ['src/api', 'src/base']),
    only('core', 'src/core', ['src/core', 'src/api', 'src/base']),
    only('telemetry', 'src/telemetry', ['src/telemetry', 'src/base']),
    only('settings', 'src/settings', ['src/(settings|base|core)']),
    only('kube-knows-no-crd', 'src/kube', ['src/kube', 'src/base', 'src/telemetry']),
    only('server', 'src/server', ['src/server', 'src/base', 'src/telemetry']),
    only('certs', 'src/certs', ['src/certs', 'src/base', 'src/telemetry', 'src/kube']),
    only('controller', 'src/controller', ['src/(controller|base|api|core|kube|server|telemetry|settings)']),
    only('webhooks', 'webhooks', ['webhooks', 'src/(base|api|core|kube|certs|server|telemetry|settings)']),
    only('extender', 'extender', ['extender', 'src/(base|api|core|kube|server|telemetry|settings)']),
    only('router', 'router', ['router', 'src/(base|api|core|kube|server|telemetry|settings)']),
    only('lab', 'src/lab', ['src/(lab|base|api|core|kube|certs|server|telemetry|settings)']),
    {
      name: 'client-node-has-one-owner',
      severity: 'error',
      from: { pathNot: '^(src/kube/kubeconfig\\.ts|test/|bench/)' },
      to: { path: 'node_modules/@kubernetes/client-node' },
    },
    {
      name: 'express-has-two-owners',
      severity: 'error',
      from: { pathNot: '^(webhooks|extender)/server\\.ts' },
      to: { path: 'node_modules/express/' },
    },
    {
      name: 'commander-lives-in-cli',
      severity: 'error',
      from: { pathNot: '^src/cli/' },
      to: { path: 'node_modules/commander/' },
    },
    {
      name: 'pino-lives-in-telemetry',
      severity: 'error',
      from: { pathNot: '^src/telemetry/log\\.ts' },
      to: { path: 'node_modules/pino/' },
    },
    {
      name: 'prom-client-lives-in-telemetry',
      severity: 'error',
      from: { pathNot: '^src/telemetry/metrics\\.ts' },
      to: { path: 'node_modules/prom-client/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
