import type { Container, Probe } from '../../../src/api/kube.js';
import type { ModelServing, PodTemplate } from '../../../src/api/types.js';
import { readServing } from '../../../src/core/reading/serving.js';
import { objectAt, textAt } from '../../../src/core/reading/shape.js';
import { packagedProfiles } from './samples.js';

const profiles = packagedProfiles();

/** What makes the recipe: the engine container in few lines, per template. */
export function summary(serving: ModelServing): object {
  return Object.fromEntries(
    readServing(serving, profiles).roles.flatMap(({ name, pod, worker, template, workerTemplate }) => [
      [name, templateFacts(template, pod?.container)],
      ...(worker ? [[`${name} workers`, templateFacts(workerTemplate, worker.container)] as const] : []),
    ]),
  );
}

function templateFacts(template: PodTemplate | undefined, container: Container | undefined): object {
  const volumes = new Map(template?.spec?.volumes?.map((volume) => [volume.name, volume]));
  const mounted = (name: string) => {
    const { hostPath, emptyDir } = volumes.get(name) ?? {};
    const configMap = textAt(objectAt(volumes.get(name), 'configMap'), 'name');
    if (configMap !== undefined) return `ConfigMap ${configMap}`;
    return hostPath?.path ?? (emptyDir?.medium === 'Memory' ? `memory ${emptyDir.sizeLimit}` : 'emptyDir');
  };
  return {
    image: container?.image,
    command: container?.command?.join(' '),
    args: lines(container?.args ?? []),
    env: container?.env?.map(
      ({ name, value, valueFrom }) => `${name}=${value ?? `<${valueFrom?.fieldRef?.fieldPath}>`}`,
    ),
    limits: container?.resources?.limits,
    ports: container?.ports?.map(({ name, containerPort, hostPort }) =>
      [name ?? '-', containerPort, ...(hostPort ? ['on the host'] : [])].join(' '),
    ),
    mounts: container?.volumeMounts?.map(({ name, mountPath }) => `${mountPath} <- ${mounted(name)}`),
    capabilities: container?.securityContext?.capabilities?.add,
    labels: template?.metadata?.labels,
    annotations: platformAnnotations(template),
    nodeSelector: template?.spec?.nodeSelector,
    dnsPolicy: template?.spec?.dnsPolicy,
    gracePeriod: template?.spec?.terminationGracePeriodSeconds,
    probes: (['startupProbe', 'readinessProbe', 'livenessProbe'] as const).flatMap((probe) => {
      const { httpGet, exec } = container?.[probe] ?? {};
      const asks = exec ? exec.command?.slice(3).join(' ') : httpGet && `${httpGet.path}:${httpGet.port}`;
      return asks ? [`${probe} ${asks}, ${pace(container?.[probe])}`] : [];
    }),
  };
}

/** Those that are not the terse form itself. */
function platformAnnotations(template: PodTemplate | undefined): object | undefined {
  const all = Object.entries(template?.metadata?.annotations ?? {});
  const others = all.filter(([key]) => !key.startsWith('tandem.dev/'));
  return others.length > 0 ? Object.fromEntries(others) : undefined;
}

const pace = ({ periodSeconds, timeoutSeconds, failureThreshold }: Probe = {}): string =>
  `every ${periodSeconds} s, ${failureThreshold} times, ${timeoutSeconds} s each`;

/** A flag and its value in one line. */
function lines(words: readonly string[]): readonly string[] {
  const all: string[] = [];
  for (const word of words) {
    const last = all.at(-1) ?? '';
    const isValue = last.startsWith('--') && !last.includes(' ') && !word.startsWith('--');
    if (isValue) all[all.length - 1] = `${last} ${word}`;
    else all.push(word);
  }
  return all;
}
