import { tandemKeys } from '../../api/names.js';
import type { ModelServer } from '../../api/types.js';
import type { CheckContext } from './context.js';
import { finding } from './finding.js';
import { type Rule, rule } from './rule.js';

export interface ServerSubject {
  readonly server: ModelServer;
  readonly context: CheckContext;
}

const serverRule = (row: Rule<ServerSubject>): Rule<ServerSubject> => rule(row);

const labelKey = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const isSelector = (wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => labelKey.test(key) && labelValue.test(value));

function* emptyOrBad(path: string, wanted: Readonly<Record<string, string>> | undefined) {
  if (wanted !== undefined && Object.keys(wanted).length > 0 && isSelector(wanted)) return;
  const empty = Object.keys(wanted ?? {}).length === 0;
  yield finding(path, {
    saw: empty ? 'no label' : wanted,
    want: 'labels of the pods, keys and values as Kubernetes allows them',
    fix: empty ? 'add at least one label' : 'correct the labels',
  });
}

export const serverSelectsPods = serverRule({
  code: 'TND-201',
  severity: 'error',
  title: 'A ModelServer selects pods',
  because: 'without labels it has no pods, or all of the namespace',
  source: 'kthena-router 1.4',
  *check({ server }) {
    yield* emptyOrBad('spec.workloadSelector.matchLabels', server.spec.workloadSelector?.matchLabels);
  },
});

export const pdGroupIsComplete = serverRule({
  code: 'TND-202',
  severity: 'error',
  title: 'A pdGroup names its key and both sides',
  because: 'pods are paired by the value of the key, one of each side',
  source: 'kthena-router 1.4',
  *check({ server }) {
    const group = server.spec.workloadSelector?.pdGroup;
    if (!group) return;
    const path = 'spec.workloadSelector.pdGroup';
    if (!labelKey.test(group.groupKey ?? '')) {
      const fix = 'set it to modelserving.volcano.sh/group-name';
      yield finding(`${path}.groupKey`, { saw: group.groupKey, want: 'a label key', fix });
    }
    yield* emptyOrBad(`${path}.prefillLabels`, group.prefillLabels);
    yield* emptyOrBad(`${path}.decodeLabels`, group.decodeLabels);
  },
});

export const sidesDiffer = serverRule({
  code: 'TND-203',
  severity: 'error',
  title: 'No pod is prefill and decode at once',
  because: 'a pod that matches both would be paired with itself',
  source: 'kthena-router 1.4',
  *check({ server }) {
    const { prefillLabels: p, decodeLabels: d } = server.spec.workloadSelector?.pdGroup ?? {};
    if (!p || !d || Object.keys(p).some((key) => d[key] !== undefined && d[key] !== p[key])) return;
    const same = Object.keys(p).length === Object.keys(d).length && Object.keys(p).every((key) => d[key] === p[key]);
    yield finding(
      'spec.workloadSelector.pdGroup.decodeLabels',
      {
        saw: d,
        want: 'one key with another value than in prefillLabels',
        fix: 'tell the sides apart, for example by modelserving.volcano.sh/role',
      },
      same ? 'error' : 'warning',
    );
  },
});

const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

/** Seconds of a duration as Go writes it (`1m30s`, `100ms`); undefined when it is none. */
export function seconds(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|µs|ns))+$/.test(text)) return text === '0' ? 0 : undefined;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)].reduce(
    (sum, [, amount, unit = 's']) => sum + Number(amount) * (units[unit] ?? 1),
    0,
  );
}

export const durationsAreDurations = serverRule({
  code: 'TND-204',
  severity: 'error',
  title: 'Durations are readable',
  because: 'the router could not apply them',
  source: 'kthena-router 1.1',
  *check({ server }) {
    const { timeout, retry } = server.spec.trafficPolicy ?? {};
    for (const [path, value] of [
      ['timeout', timeout],
      ['retry.retryInterval', retry?.retryInterval],
    ] as const) {
      if (value === undefined || seconds(value) !== undefined) continue;
      yield finding(`spec.trafficPolicy.${path}`, {
        saw: value,
        want: 'a duration such as 60s or 1m30s',
        fix: 'correct it',
      });
    }
  },
});

export const timeoutFitsPrefill = serverRule({
  code: 'TND-067',
  severity: 'warning',
  title: 'The timeout leaves time for a long prefill',
  because: 'a long prompt under load is cut off, and its KV stays on prefill until the lease ends',
  source: 'pd-protocols C-67, B.10',
  *check({ server }) {
    const { timeout, retry } = server.spec.trafficPolicy ?? {};
    const limit = seconds(timeout ?? '') ?? 0;
    if (limit > 0 && limit < 60) {
      const fix = 'raise the timeout, or remove it';
      yield finding('spec.trafficPolicy.timeout', { saw: timeout, want: '60s or more', fix });
    }
    if (!retry || retry.attempts <= 1 || server.spec.inferenceEngine !== 'SGLang') return;
    const place = { saw: retry.attempts, want: 'at most 1 with SGLang', fix: 'set attempts to 1' };
    yield finding('spec.trafficPolicy.retry.attempts', place);
  },
});

export const retriesAreFew = serverRule({
  code: 'TND-205',
  severity: 'error',
  title: 'Retries are a small number',
  because: 'each retry is a prefill more for a cluster that may be overloaded already',
  source: 'kthena-router 1.1',
  *check({ server }) {
    const attempts = server.spec.trafficPolicy?.retry?.attempts;
    if (attempts === undefined || (attempts >= 0 && attempts <= 10)) return;
    const place = { saw: attempts, want: '0 to 10', fix: 'set attempts to 2' };
    yield finding('spec.trafficPolicy.retry.attempts', place, attempts < 0 ? 'error' : 'warning');
  },
});

export const sglangHasNoConnector = serverRule({
  code: 'TND-005',
  severity: 'error',
  title: 'An SGLang ModelServer names no kvConnector',
  because: 'the named connector would replace the bootstrap fields that SGLang needs, and it answers 400 without them',
  source: 'pd-protocols C-5',
  *check({ server }) {
    const type = server.spec.kvConnector?.type;
    if (server.spec.inferenceEngine !== 'SGLang' || type === undefined || type === 'http') return;
    yield finding('spec.kvConnector', { saw: type, want: 'nothing', fix: 'remove kvConnector' });
  },
});

export const fallbackIsKnown = serverRule({
  code: 'TND-206',
  severity: 'error',
  title: 'The fallback is one that the router knows',
  because: 'anything else would be ignored without a word',
  source: 'Tandem, docs/keys.md',
  *check({ server }) {
    const { key } = tandemKeys.fallback;
    const value = server.metadata.annotations?.[key];
    if (value === undefined || /^(none|recompute|aggregated)$/.test(value)) return;
    yield finding(`metadata.annotations["${key}"]`, {
      saw: value,
      want: 'none, recompute or aggregated',
      fix: 'correct it, or remove it',
    });
  },
});

export const sglangNeverDecodesAlone = serverRule({
  code: 'TND-078',
  severity: 'warning',
  title: 'No request goes to SGLang decode alone',
  because: 'an SGLang decode engine answers 400 to a request that no prefill was asked for',
  source: 'pd-protocols C-78',
  *check({ server }) {
    const { key } = tandemKeys.fallback;
    const isPair = server.spec.workloadSelector?.pdGroup !== undefined;
    if (server.spec.inferenceEngine !== 'SGLang' || !isPair || server.metadata.annotations?.[key] !== 'recompute')
      return;
    yield finding(`metadata.annotations["${key}"]`, {
      saw: 'recompute',
      want: 'none or aggregated with SGLang',
      fix: 'remove it, or run an aggregated role and set it to aggregated',
    });
  },
});
