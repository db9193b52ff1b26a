import type { ModelServing, PodTemplate } from '../../api/types.js';
import { wholeUnits } from '../../base/quantity.js';
import type { AcceleratorProfile } from '../profiles/types.js';
import { finding } from './finding.js';
import { type EngineRole, engineRule, pairRule, servingRule } from './subject.js';

export const devicesCoverWorldSize = engineRule({
  code: 'TND-021',
  severity: 'error',
  title: 'A pod has at least as many devices as its engine uses',
  because: 'the engine exits at start-up when it finds fewer devices than ranks',
  source: 'pd-protocols C-21',
  *check({ devices, engine, spec }) {
    const needed = engine.ranksPerPod;
    if (devices.count >= needed) return;
    // Devices may also come from a claim, and a CPU engine needs none.
    const unknown = devices.resource === undefined;
    if (unknown && (needed === 1 || Array.isArray(spec['resourceClaims']))) return;
    const resource = devices.resource ?? 'the accelerator resource';
    yield finding(
      devices.path,
      {
        saw: devices.count,
        want: `at least ${needed}`,
        fix: `set ${resource} to ${needed}, or lower --tensor-parallel-size`,
      },
      unknown ? 'warning' : 'error',
    );
  },
});

export const devicesAreUsed = engineRule({
  code: 'TND-022',
  severity: 'warning',
  title: 'A pod has no more devices than its engine uses',
  because: 'the others are paid for and idle',
  source: 'pd-protocols C-22',
  *check({ devices, engine }) {
    const used = engine.ranksPerPod;
    if (devices.resource === undefined || devices.count <= used) return;
    yield finding(devices.path, {
      saw: devices.count,
      want: `${used}, what the engine uses`,
      fix: `set ${devices.resource} to ${used}, or raise --tensor-parallel-size or --data-parallel-size`,
    });
  },
});

const isExtended = (name: string): boolean => name.includes('/') && !name.includes('kubernetes.io/');

export const devicesAreWhole = servingRule({
  code: 'TND-023',
  severity: 'error',
  title: 'Devices are whole numbers, requested as they are limited',
  because: 'the API server refuses the pods otherwise, long after the serving was accepted',
  source: 'pd-protocols C-23',
  *check({ roles }) {
    for (const { path, template, workerTemplate } of roles) {
      yield* wholeDevicesIn(`${path}.entryTemplate`, template);
      if (workerTemplate) yield* wholeDevicesIn(`${path}.workerTemplate`, workerTemplate);
    }
  },
});

function* wholeDevicesIn(path: string, { spec }: PodTemplate) {
  for (const [i, container] of (spec?.containers ?? []).entries()) {
    yield* wholeDevices(`${path}.spec.containers[${i}].resources`, container.resources ?? {});
  }
}

function* wholeDevices(
  path: string,
  { limits = {}, requests = {} }: NonNullable<EngineRole['container']['resources']>,
) {
  for (const name of new Set([...Object.keys(limits), ...Object.keys(requests)].filter(isExtended))) {
    const [limit, request] = [limits[name], requests[name]];
    if (limit === undefined) {
      yield finding(`${path}.limits`, { saw: undefined, want: `${name} as in requests`, fix: `add ${name} to limits` });
    } else if (request !== undefined && wholeUnits(request) !== wholeUnits(limit)) {
      const fix = `make requests and limits of ${name} equal`;
      yield finding(`${path}.requests`, { saw: request, want: `${limit}, as in limits`, fix });
    } else if (!/^\d+$/.test(String(limit))) {
      yield finding(`${path}.limits`, { saw: limit, want: 'a whole number', fix: `write ${name} as a whole number` });
    }
  }
}

/** What a node of the selected type hands out; undefined when the pod selects none that is known. */
export function countsOfNode(
  profile: AcceleratorProfile | undefined,
  selector: Readonly<Record<string, string>> = {},
  to: 'counts' | 'alone' = 'counts',
): readonly number[] | undefined {
  const { label = '', [to]: counts = {} } = profile?.allowedCountsBy ?? {};
  const type = selector[label] ?? '';
  return Object.hasOwn(counts, type) ? counts[type] : undefined;
}

/** What a pod may ask for: more where it is a group of its own, the whole node where it is part of a logical super pod. */
function countsFor({ devices: { profile }, spec, role }: EngineRole, serving: ModelServing) {
  const known = countsOfNode(profile, spec.nodeSelector);
  if (known === undefined) return { known: false, allowed: profile?.allowedCounts };
  if (takesWholeNode(profile, role)) return { known: true, allowed: [Math.max(...known)] };
  const more = podsOfGroup(serving) === 1 ? countsOfNode(profile, spec.nodeSelector, 'alone') : undefined;
  return { known: true, allowed: more ? [...known, ...more].sort((a, b) => a - b) : known };
}

function takesWholeNode(profile: AcceleratorProfile | undefined, { template }: EngineRole['role']): boolean {
  const annotation = profile?.allowedCountsBy?.wholeNodeWith;
  return annotation !== undefined && template.metadata?.annotations?.[annotation] !== undefined;
}

const podsOfGroup = ({ spec }: ModelServing): number =>
  spec.template.roles.reduce((sum, { replicas = 1, workerReplicas = 0 }) => sum + replicas * (1 + workerReplicas), 0);

export const countIsAllowed = engineRule({
  code: 'TND-034',
  severity: 'error',
  title: 'The number of NPUs is one that the platform hands out',
  because: 'the pod stays Pending otherwise',
  source: 'pd-protocols C-34, B.1.1',
  reads: 'pod',
  *check(engine, { serving }) {
    const { resource, count, path } = engine.devices;
    const { known, allowed } = countsFor(engine, serving);
    if (allowed === undefined || allowed.includes(count)) return;
    const fix = `set ${resource} to one of them`;
    yield finding(path, { saw: count, want: `one of ${allowed.join(', ')}`, fix }, known ? 'error' : 'warning');
  },
});

export const sameHardware = pairRule({
  code: 'TND-035',
  severity: 'error',
  title: 'Both roles run on the same kind of device',
  because: 'KV is not transferred between different hardware generations',
  source: 'pd-protocols C-35',
  reads: 'pod',
  *check({ prefill, decode }) {
    const [p, d] = [prefill.devices.resource, decode.devices.resource];
    if (p !== undefined && d !== undefined && p !== d) {
      yield finding(decode.devices.path, {
        saw: d,
        want: `${p}, as on prefill`,
        fix: 'ask for the same resource in both roles',
      });
    }
    for (const label of decode.devices.profile?.generationLabels ?? []) {
      const [pt, dt] = [prefill, decode].map(({ spec }) => spec.nodeSelector?.[label]);
      if (pt === undefined || dt === undefined || pt === dt) continue;
      const fix = `select the same ${label} in both roles`;
      yield finding(`${decode.path}.nodeSelector`, { saw: dt, want: `${pt}, as on prefill`, fix });
    }
  },
});

const rankWords =
  /WORKER_INDEX|--node-rank|--nnodes|--headless|data-parallel-start-rank|ENTRY_ADDRESS|--dist-init-addr|(^|[\s;&|/])ray /;

export const workersKnowTheirRank = engineRule({
  code: 'TND-037',
  severity: 'warning',
  title: 'Workers of a role know their rank and the entry pod',
  because: 'every pod would start an engine of its own',
  source: 'pd-protocols C-37',
  *check(engine, { serving }) {
    const { role, container } = engine;
    if (role.workerReplicas === 0) return;
    const worker = serving.spec.template.roles[role.index]?.workerTemplate?.spec?.containers ?? [];
    const words = [container, ...worker].flatMap(({ command = [], args = [], env = [] }) => [
      ...command,
      ...args,
      ...env.map(({ value }) => value ?? ''),
    ]);
    if (words.some((word) => rankWords.test(`${word} `))) return;
    yield finding(`${role.path}.workerTemplate`, {
      saw: 'no WORKER_INDEX or ENTRY_ADDRESS in any command',
      want: 'ranks from $(WORKER_INDEX), the address from $(ENTRY_ADDRESS)',
      fix: 'pass --node-rank $(WORKER_INDEX) and the address of the entry pod, or --headless with a start rank',
    });
  },
});
