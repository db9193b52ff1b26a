import { mostRanks } from '../reading/engine.js';
import { finding } from './finding.js';
import { flagOf } from './reads.js';
import { type EngineRole, engineRule } from './subject.js';

/** Rules about data-parallel ranks that answer on ports of their own. */

export const externalBalancingDeclaresPorts = engineRule({
  code: 'TND-036',
  severity: 'error',
  title: 'Every rank that is balanced from outside has a declared and probed port',
  because: 'traffic goes to ranks that no probe has seen ready',
  source: 'pd-protocols C-36',
  *check(engine) {
    const local = Number(flagOf(engine, 'data-parallel-size-local') ?? 1);
    if (flagOf(engine, 'data-parallel-external-lb') === undefined || local < 2) return;
    const declared = new Set((engine.container.ports ?? []).map(({ containerPort }) => containerPort));
    const first = engine.engine.port;
    const ports = Array.from({ length: Math.min(local, mostRanks) }, (_, i) => first + i);
    const missing = ports.filter((port) => !declared.has(port));
    if (missing.length > 0) {
      yield finding(`${engine.containerPath}.ports`, {
        saw: [...declared].join(', ') || undefined,
        want: `${first} to ${first + local - 1}`,
        fix: `declare containerPort ${missing.join(', ')}`,
      });
    }
    yield* oneProbed(engine, `${first} to ${first + local - 1}`);
  },
});

/** A probe of Kubernetes asks one port; only a command can ask them all. */
function* oneProbed(engine: EngineRole, ports: string) {
  const probe = engine.container.readinessProbe;
  const asked = probe?.httpGet ?? probe?.tcpSocket ?? probe?.grpc;
  if (asked === undefined || !engine.servesHttp) return;
  yield finding(`${engine.containerPath}.readinessProbe`, {
    saw: `port ${asked.port} alone`,
    want: `an exec probe that asks ${ports}`,
    fix: 'remove the probe, and Tandem adds one that asks them all',
  });
}
