import { labels, levels, tandemKeys, volcano } from '../../api/names.js';
import type { Role } from '../../api/types.js';
import { listAt } from '../reading/shape.js';
import type { RoleReading } from '../reading/types.js';
import { finding } from './finding.js';
import { type ServingSubject, servingRule } from './subject.js';

/** What Kthena's validator refuses, where it makes sense, and the shape of what Tandem itself reads. */

const dns1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const rolesOf = ({ serving }: ServingSubject): readonly Role[] => serving.spec.template?.roles ?? [];
const rolePath = (index: number): string => `spec.template.roles[${index}]`;

export const podNamesFit = servingRule({
  code: 'TND-101',
  severity: 'error',
  title: 'The names of the pods are valid',
  because: 'pods and services are named after serving, group, role and instance, with at most 63 characters',
  source: 'kthena-workload 4.2.1',
  *check(subject) {
    const { serving } = subject;
    for (const role of rolesOf(subject)) {
      const counts = [serving.spec.replicas ?? 1, role.replicas ?? 1, role.workerReplicas ?? 0];
      const name = `${serving.metadata.name ?? ''}-${counts[0]}-${role.name}-${counts[1]}-${counts[2]}`;
      if (name.length <= 63 && dns1035.test(name)) continue;
      yield finding('metadata.name', {
        saw: serving.metadata.name,
        want: `pod names such as ${name} of at most 63 characters a-z, 0-9 and -, beginning with a letter`,
        fix: 'choose a shorter name of these characters',
      });
    }
  },
});

export const roleNamesFit = servingRule({
  code: 'TND-102',
  severity: 'error',
  title: 'Role names are DNS labels, each used once',
  because: 'pod and service names contain them',
  source: 'kthena-workload 4.2.2',
  *check(subject) {
    const names = rolesOf(subject).map(({ name }) => name);
    for (const [i, name] of names.entries()) {
      const path = `${rolePath(i)}.name`;
      const want = 'a-z, 0-9 and -, beginning with a letter';
      if (!dns1035.test(name ?? '')) yield finding(path, { saw: name, want, fix: 'rename the role' });
      else if (names.indexOf(name) < i)
        yield finding(path, { saw: name, want: 'a name of its own', fix: 'rename the role' });
    }
  },
});

export const imagesAreReferences = servingRule({
  code: 'TND-103',
  severity: 'error',
  title: 'Image references are readable',
  because: 'the kubelet cannot pull a name with blanks',
  source: 'kthena-workload 4.2.3',
  *check(subject) {
    const templates = rolesOf(subject).flatMap(({ entryTemplate, workerTemplate }, i) => [
      [`${rolePath(i)}.entryTemplate`, entryTemplate] as const,
      [`${rolePath(i)}.workerTemplate`, workerTemplate] as const,
    ]);
    for (const [path, template] of templates) {
      for (const [c, { image }] of (template?.spec?.containers ?? []).entries()) {
        if (typeof image !== 'string' || image === '' || /^\S+$/.test(image)) continue;
        const place = { saw: image, want: 'an image reference without blanks', fix: 'correct the image' };
        yield finding(`${path}.spec.containers[${c}].image`, place);
      }
    }
  },
});

const isCount = (value: unknown): boolean => value === undefined || (Number.isInteger(value) && (value as number) >= 0);

export const countsAreCounts = servingRule({
  code: 'TND-104',
  severity: 'error',
  title: 'Replica counts are not negative, and there is a role',
  because: 'nothing can be created from it',
  source: 'kthena-workload 4.2.4, 4.2.8',
  *check(subject) {
    const want = 'a whole number, 0 or more';
    const { replicas } = subject.serving.spec;
    if (!isCount(replicas)) yield finding('spec.replicas', { saw: replicas, want, fix: 'correct replicas' });
    if (rolesOf(subject).length === 0) {
      yield finding('spec.template.roles', { saw: undefined, want: 'at least one role', fix: 'add a role' });
    }
    for (const [i, role] of rolesOf(subject).entries()) {
      for (const name of ['replicas', 'workerReplicas'] as const) {
        if (!isCount(role[name]))
          yield finding(`${rolePath(i)}.${name}`, { saw: role[name], want, fix: `correct ${name}` });
      }
    }
  },
});

export const workersHaveTemplate = servingRule({
  code: 'TND-108',
  severity: 'error',
  title: 'Workers have a template',
  because: 'there is nothing to make a worker pod from',
  source: 'kthena-workload 4.2.8',
  *check(subject) {
    for (const [i, role] of rolesOf(subject).entries()) {
      if ((role.workerReplicas ?? 0) <= 0 || role.workerTemplate?.spec) continue;
      const fix = 'add workerTemplate, or set workerReplicas to 0';
      yield finding(`${rolePath(i)}.workerTemplate`, { saw: undefined, want: 'a pod template', fix });
    }
  },
});

export const gangFitsRoles = servingRule({
  code: 'TND-107',
  severity: 'error',
  title: 'A gang asks for no more than the roles have',
  because: 'the group could never be scheduled',
  source: 'kthena-workload 4.2.7',
  *check(subject) {
    const minimum = subject.serving.spec.template?.gangPolicy?.minRoleReplicas ?? {};
    for (const [name, count] of Object.entries(minimum)) {
      const path = `spec.template.gangPolicy.minRoleReplicas["${name}"]`;
      const role = rolesOf(subject).find((candidate) => candidate.name === name);
      const replicas = role?.replicas ?? 1;
      if (!role) yield finding(path, { saw: name, want: 'the name of a role', fix: 'rename or remove it' });
      else if (!isCount(count) || count > replicas) {
        yield finding(path, {
          saw: count,
          want: `0 to ${replicas}, the replicas of the role`,
          fix: 'lower it, or raise replicas',
        });
      }
    }
  },
});

export const recoveryFitsRollout = servingRule({
  code: 'TND-109',
  severity: 'error',
  title: 'Recovery and rollout work on the same unit',
  because: 'recreating whole groups undoes a rollout that goes role by role',
  source: 'kthena-workload 4.2.9',
  *check({ serving }) {
    const rollout = serving.spec.rolloutStrategy?.type ?? 'ServingGroupRollingUpdate';
    if (serving.spec.recoveryPolicy !== 'ServingGroupRecreate' || rollout !== 'RoleRollingUpdate') return;
    yield finding('spec.rolloutStrategy.type', {
      saw: 'RoleRollingUpdate with recoveryPolicy ServingGroupRecreate',
      want: 'ServingGroupRollingUpdate, or recoveryPolicy RoleRecreate',
      fix: 'change one of the two',
    });
  },
});

const owned: readonly string[] = Object.values(labels);

export const controllerLabelsAreLeftAlone = servingRule({
  code: 'TND-110',
  severity: 'warning',
  title: 'Templates do not set the labels of the controller',
  because: 'groups, services and the router find pods by them',
  source: 'kthena-workload 2.2',
  *check(subject) {
    for (const [i, role] of rolesOf(subject).entries()) {
      for (const part of ['entryTemplate', 'workerTemplate'] as const) {
        for (const key of Object.keys(role[part]?.metadata?.labels ?? {}).filter((name) => owned.includes(name))) {
          const path = `${rolePath(i)}.${part}.metadata.labels["${key}"]`;
          yield finding(path, {
            saw: role[part]?.metadata?.labels?.[key],
            want: 'nothing: the controller writes it',
            fix: 'remove it',
          });
        }
      }
    }
  },
});

const wholeNumber = /^[1-9]\d{0,3}$/;
const valuesOf: readonly (readonly [string, RegExp, string])[] = [
  [tandemKeys.expand.key, /^(template|pods|off)$/, 'template, pods or off'],
  [
    tandemKeys.placement.key,
    new RegExp(`^(preferred|off|required: ?(${levels.join('|')}))$`),
    `preferred, off or required: ${levels.join('|')}`,
  ],
  [tandemKeys.skipChecks.key, /^\s*TND-\d{3}(\s*,\s*TND-\d{3})*\s*$/, 'rule codes such as TND-026, comma separated'],
];
const roleValues: readonly (readonly [string, RegExp, string])[] = [
  [tandemKeys.tensorParallel.key, wholeNumber, 'a whole number, 1 or more'],
  [tandemKeys.dataParallel.key, wholeNumber, 'a whole number, 1 or more'],
  [tandemKeys.devices.key, wholeNumber, 'a whole number, 1 or more'],
];

export const annotationsAreReadable = servingRule({
  code: 'TND-111',
  severity: 'error',
  title: 'The annotations for Tandem have a value it knows',
  because: 'anything else would be ignored without a word',
  source: 'Tandem, docs/keys.md',
  *check(subject) {
    yield* unreadable('metadata.annotations', subject.serving.metadata.annotations, valuesOf);
    for (const [i, role] of rolesOf(subject).entries()) {
      yield* unreadable(
        `${rolePath(i)}.entryTemplate.metadata.annotations`,
        role.entryTemplate?.metadata?.annotations,
        roleValues,
      );
    }
  },
});

function* unreadable(path: string, annotations: Readonly<Record<string, string>> = {}, values: typeof valuesOf) {
  for (const [key, shape, want] of values) {
    const value = annotations[key];
    if (value === undefined || shape.test(value)) continue;
    yield finding(`${path}["${key}"]`, { saw: value, want, fix: `correct ${key}, or remove it` });
  }
}

const knownKeys: readonly string[] = Object.values(tandemKeys).map(({ key }) => key);

export const annotationsAreKnown = servingRule({
  code: 'TND-112',
  severity: 'warning',
  title: 'No annotation of Tandem is misspelt',
  because: 'an unknown key does nothing',
  source: 'Tandem, docs/keys.md',
  *check(subject) {
    const places = rolesOf(subject).map(
      (role, i) =>
        [`${rolePath(i)}.entryTemplate.metadata.annotations`, role.entryTemplate?.metadata?.annotations] as const,
    );
    for (const [path, annotations] of [
      ['metadata.annotations', subject.serving.metadata.annotations] as const,
      ...places,
    ]) {
      for (const key of Object.keys(annotations ?? {})) {
        if (!key.startsWith('tandem.dev/') || knownKeys.includes(key)) continue;
        yield finding(`${path}["${key}"]`, {
          saw: key,
          want: 'a key of docs/keys.md',
          fix: 'correct the spelling, or remove it',
        });
      }
    }
  },
});

export const rolesHaveContainers = servingRule({
  code: 'TND-113',
  severity: 'error',
  title: 'Every role has a container',
  because: 'a pod without a container cannot be created; the terse form needs at least the annotation tandem.dev/model',
  source: 'Tandem, DESIGN 4.1',
  *check(subject) {
    for (const [path, containers] of subject.roles.flatMap(containerLists)) {
      if (containers.length > 0) continue;
      yield finding(path, {
        saw: undefined,
        want: 'a container, or the terse form',
        fix: `write a container, or annotate the ModelServing with ${tandemKeys.model.key} and name the role prefill or decode`,
      });
    }
  },
});

/** Of the entry pod, and of the workers where they have a template at all. */
function containerLists({ path, template, workerTemplate }: RoleReading) {
  const entry = [`${path}.entryTemplate.spec.containers`, listAt(template.spec, 'containers')] as const;
  if (!workerTemplate?.spec) return [entry];
  return [entry, [`${path}.workerTemplate.spec.containers`, listAt(workerTemplate.spec, 'containers')] as const];
}

export const schedulerExists = servingRule({
  code: 'TND-114',
  severity: 'warning',
  title: 'The scheduler that is asked for is there',
  because: 'without Volcano its pods would stay Pending for ever',
  source: 'measured 5.9',
  *check({ serving, context }) {
    const asked = serving.spec.schedulerName ?? volcano.schedulerName;
    if (asked !== volcano.schedulerName || context.hasVolcano !== false) return;
    yield finding('spec.schedulerName', {
      saw: 'volcano, and this cluster has no Volcano',
      want: 'a scheduler that runs here',
      fix: `Tandem gives the pods to ${context.fallbackScheduler}; install Volcano, or set schedulerName to ${context.fallbackScheduler}`,
    });
  },
});

export const commandIsReadable = servingRule({
  code: 'TND-119',
  severity: 'warning',
  title: 'The command of the engine can be read',
  because: 'what cannot be read cannot be checked: parallelism, ports and connector are taken at their defaults',
  source: 'Tandem, DESIGN 4.1',
  *check({ engines }) {
    for (const { engine, containerPath } of engines) {
      if (engine.reading !== 'opaque') continue;
      const fix = 'pass the engine arguments as a list in args, or in one sh -c script';
      yield finding(`${containerPath}.command`, {
        saw: `a command of ${engine.profile.name} that is not understood`,
        want: 'an argument list',
        fix,
      });
    }
  },
});
