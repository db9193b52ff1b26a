import { tandemKeys } from '../../api/names.js';
import { askedOf } from '../expand/asked.js';
import { annotationsOf } from '../expand/choose-profiles.js';
import { modeOf } from '../expand/serving.js';
import { leftToEnvFrom } from '../expand/steps/environment.js';
import { defaultExpandSettings } from '../expand/types.js';
import { finding } from './finding.js';
import { extraOf, isSglangMooncake, isUpstreamMooncake, usesNetworkCard } from './reads.js';
import { engineRule } from './subject.js';

/** What a connector cannot do without and no profile can know: addresses and cards of one cluster. */

export const addressIsNamed = engineRule({
  code: 'TND-116',
  severity: 'warning',
  title: 'A connector knows the address of its store',
  because: 'without it the engine does not start, or keeps its KV for itself and says nothing',
  source: 'pd-protocols B.5, B.6, B.7',
  reads: 'pod',
  *check({ connector, container, containerPath, env, side }) {
    // Variables from a ConfigMap or Secret are not in the manifest.
    if (Array.isArray(container['envFrom'])) return;
    for (const { oneOf, example, when } of (connector?.parts ?? []).flatMap(({ needs = [] }) => needs)) {
      if ((when?.side !== undefined && when.side !== side) || oneOf.some((name) => env.has(name))) continue;
      yield finding(`${containerPath}.env`, {
        saw: `none of ${oneOf.join(', ')}`,
        want: `one of them, like ${oneOf[0] ?? ''}=${example}`,
        fix: `add the annotation ${tandemKeys.store.key}: ${example} to the ModelServing, or the variable to the container`,
      });
    }
  },
});

export const nothingHidesBehindEnvFrom = engineRule({
  code: 'TND-121',
  severity: 'warning',
  title: 'What envFrom may set is set',
  because:
    'env wins over envFrom, so Tandem adds no value that a ConfigMap or Secret may hold, and sees none of theirs',
  source: 'Tandem, DESIGN 4.1',
  reads: 'pod',
  *check(engine, { serving, context }) {
    if (modeOf(serving) === 'off') return;
    const missing = leftToEnvFrom({
      reading: engine,
      template: engine.role.template,
      peers: [],
      profiles: engine.profiles,
      settings: { ...defaultExpandSettings, runtimeMounts: context.hasAscendRuntime ?? true },
      roleIndex: engine.role.index,
      terse: annotationsOf(serving)[tandemKeys.model.key] !== undefined,
      asked: askedOf(serving),
    });
    if (missing.length === 0) return;
    yield finding(`${engine.containerPath}.envFrom`, {
      saw: `envFrom, and no ${missing.map(({ name }) => name).join(', ')} in env`,
      want: missing.map(({ name, value = '' }) => `${name}=${value}`).join(', '),
      fix: 'write into env those that the ConfigMap or Secret does not set',
    });
  },
});

export const rdmaHasCard = engineRule({
  code: 'TND-117',
  severity: 'warning',
  title: 'A transfer over RDMA has a network card',
  because: 'the transfer engine finds no device and fails, or uses TCP without a word',
  source: 'pd-protocols B.3, B.10',
  *check(engine) {
    const asks = isUpstreamMooncake(engine) && extraOf(engine, 'mooncake_protocol') === 'rdma';
    if (!asks && !isSglangMooncake(engine)) return;
    const { container, spec, containerPath } = engine;
    if (usesNetworkCard(engine) || spec.hostNetwork === true || container.securityContext?.privileged === true) return;
    yield finding(`${containerPath}.resources.limits`, {
      saw: 'Mooncake over RDMA and no network card',
      want: 'the RDMA resource of the cluster',
      fix: `add the annotation ${tandemKeys.network.key}: RESOURCE to the ModelServing, or use another transport on both roles`,
    });
  },
});
