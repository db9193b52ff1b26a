import { finding } from './finding.js';
import { flagPath } from './reads.js';
import { type EngineRole, workerRule } from './subject.js';

/** Rules about the workers of a role: one engine runs over the entry pod and all of them. */

export const workersRunTheSame = workerRule({
  code: 'TND-122',
  severity: 'error',
  title: 'Workers run the image and the model of their entry pod',
  because: 'the pods of a role instance are one engine: parts of two versions or two models cannot be one',
  source: 'pd-protocols C-7, C-8',
  *check({ entry, worker }) {
    const [e, w] = [entry.engine.model, worker.engine.model];
    // A worker that only joins, as with Ray, is told no model.
    if (e !== undefined && w !== undefined && e !== w) {
      const fix = 'name the same model in both templates of the role';
      yield finding(flagPath(worker, 'model'), { saw: w, want: `${e}, as on the entry pod`, fix });
    }
    if (entry.container.image === worker.container.image) return;
    const place = {
      saw: worker.container.image,
      want: `${entry.container.image ?? 'none'}, as on the entry pod`,
      fix: 'use one image for both templates of the role',
    };
    yield finding(`${worker.containerPath}.image`, place, 'warning');
  },
});

export const devicesOfWorkersAddUp = workerRule({
  code: 'TND-123',
  severity: 'error',
  title: 'Entry pod and workers together have the devices that their engine uses',
  because: 'the engine waits for the missing ranks, or exits at start-up',
  source: 'pd-protocols C-21',
  reads: 'pod',
  *check({ entry, worker }) {
    const readings = [entry.engine.reading, worker.engine.reading];
    if (readings[0] === 'opaque') return;
    const { devices, spec } = worker;
    const needed = Math.max(worker.engine.ranksPerPod, restForEach(entry));
    if (devices.count >= needed) return;
    const unknown = devices.resource === undefined;
    if (unknown && (needed === 1 || Array.isArray(spec['resourceClaims']))) return;
    const resource = devices.resource ?? 'the accelerator resource';
    const place = {
      saw: `${devices.count} on each worker, ${entry.devices.count} on the entry pod`,
      want: `at least ${needed} on each worker`,
      fix: `set ${resource} to ${needed} on the workers, or lower the parallelism of the role`,
    };
    // A worker that only joins says nothing about ranks: those of the entry pod's arguments are a guess for it.
    const sure = !unknown && readings.every((reading) => reading === 'exact');
    yield finding(devices.path, place, sure ? 'error' : 'warning');
  },
});

/** Ranks that the entry pod leaves to each worker; where replicas of the model are spread, only the worker's own arguments tell. */
function restForEach({ engine, devices, pods, role }: EngineRole): number {
  if (engine.dataParallel > 1) return 0;
  const ranks = Math.min(engine.tensorParallel * engine.pipelineParallel, engine.ranksPerPod * pods);
  return Math.ceil((ranks - Math.max(devices.count, engine.ranksPerPod)) / role.workerReplicas);
}
