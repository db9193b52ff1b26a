/** A cluster of plain values: performs planned steps at once, and lets pods become ready or end when told to. */
import type { KubeObject, Pod } from '../../../src/api/kube.js';
import type { ModelServing, Role } from '../../../src/api/types.js';
import { buildControllerRevision, buildPod, buildService } from '../../../src/core/rollout/children.js';
import { type Budget, budgetOf, desiredOf } from '../../../src/core/rollout/desired.js';
import { arrange } from '../../../src/core/rollout/groups.js';
import { type ControllerRevision, type Loss, readObserved, type Snapshot } from '../../../src/core/rollout/observed.js';
import { planRollout } from '../../../src/core/rollout/plan.js';
import { readRevisions } from '../../../src/core/rollout/revisions.js';
import { statusOf } from '../../../src/core/rollout/status.js';
import type { Step } from '../../../src/core/rollout/step.js';

export const role = (name: string, replicas = 1, options: Partial<Role> & { image?: string } = {}): Role => {
  const { image = 'v1', ...rest } = options;
  const template = { spec: { containers: [{ name: 'c', image }] } };
  return {
    name,
    replicas,
    workerReplicas: 0,
    maxUnavailable: 1,
    entryTemplate: template,
    ...((rest.workerReplicas ?? 0) > 0 ? { workerTemplate: template } : {}),
    ...rest,
  };
};

export function serving(spec: Partial<ModelServing['spec']> & { roles?: readonly Role[] } = {}): ModelServing {
  const { roles = [role('prefill'), role('decode')], ...rest } = spec;
  return {
    metadata: { name: 's', namespace: 'default', uid: 'serving-uid', generation: 1 },
    spec: { replicas: 1, schedulerName: 'volcano', ...rest, template: rest.template ?? { roles } },
  };
}

export class SmallCluster {
  now = 1_000_000;
  serving: ModelServing;
  readonly pods = new Map<string, Pod>();
  readonly services = new Map<string, KubeObject>();
  readonly revisions = new Map<string, ControllerRevision>();
  readonly dismissed = new Set<string>();
  losses: Loss[] = [];
  /** Pods of these images never become ready. */
  readonly badImages = new Set<string>();
  #uids = 0;

  constructor(given: ModelServing) {
    this.serving = given;
  }

  edit(change: (spec: ModelServing['spec']) => Partial<ModelServing['spec']>): void {
    const { metadata, spec } = this.serving;
    this.serving = {
      ...this.serving,
      metadata: { ...metadata, generation: (metadata.generation ?? 0) + 1 },
      spec: { ...spec, ...change(spec) },
    };
  }

  editRoles(change: (role: Role) => Role): void {
    this.edit(({ template }) => ({ template: { ...template, roles: template.roles.map(change) } }));
  }

  setImage(image: string): void {
    this.editRoles((one) => role(one.name, one.replicas, { ...counts(one), image }));
  }

  get budget(): Budget {
    return budgetOf(this.serving);
  }

  plan(): readonly Step[] {
    const desired = desiredOf(this.serving);
    return planRollout(readObserved(this.snapshot(), desired), desired, { budget: this.budget, podGroups: 'absent' });
  }

  snapshot(): Snapshot {
    return {
      now: this.now,
      pods: [...this.pods.values()],
      services: [...this.services.values()],
      podGroups: [],
      revisions: [...this.revisions.values()],
      dismissed: this.dismissed,
      losses: this.losses,
    };
  }

  status() {
    const desired = desiredOf(this.serving);
    return statusOf(readObserved(this.snapshot(), desired), desired, { budget: this.budget, refusal: undefined });
  }

  groups() {
    const desired = desiredOf(this.serving);
    const observed = readObserved(this.snapshot(), desired);
    return arrange({ observed, desired, revisions: readRevisions(observed, desired) }, observed.pods);
  }

  /** Plans once and performs the steps; status is written as the controller does. */
  round(): readonly Step[] {
    const steps = this.plan();
    for (const step of steps) this.#perform(step);
    this.serving = { ...this.serving, status: this.status() };
    return steps;
  }

  /** Rounds, each followed by the end of what terminates and the start of what can, until nothing is to do. */
  converge(limit = 200, onRound: (cluster: this) => void = () => undefined): number {
    for (let rounds = 1; rounds <= limit; rounds++) {
      const steps = this.round();
      onRound(this);
      const moved = this.finishTerminating() + this.startPods();
      if (steps.every(({ do: what }) => what === 'wait') && moved === 0) return rounds;
    }
    throw new Error(`not converged after ${limit} rounds; next: ${JSON.stringify(this.plan())}`);
  }

  finishTerminating(): number {
    const ending = [...this.pods.values()].filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
    for (const pod of ending) this.vanish(pod.metadata.name ?? '');
    return ending.length;
  }

  startPods(): number {
    let started = 0;
    for (const [name, pod] of this.pods) {
      if (pod.status !== undefined || this.badImages.has(pod.spec.containers[0]?.image ?? '')) continue;
      if (pod.metadata.deletionTimestamp === undefined) started += Number(this.setStatus(name, ready));
    }
    return started;
  }

  setStatus(name: string, status: NonNullable<Pod['status']>): boolean {
    const pod = this.pods.get(name);
    if (pod !== undefined) this.pods.set(name, { ...pod, status });
    return pod !== undefined;
  }

  /** Somebody deletes a pod: it terminates, then it is gone. */
  deletePod(name: string): void {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    this.pods.set(name, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: new Date(this.now).toISOString() } });
  }

  /** Gone at once, as the controller's memory hears it. */
  vanish(name: string): void {
    const gone = this.pods.get(name);
    this.pods.delete(name);
    const { uid = '', labels = {} } = gone?.metadata ?? {};
    if (gone === undefined || this.dismissed.delete(uid)) return;
    const group = labels['modelserving.volcano.sh/group-name'] ?? '';
    const survivors = [...this.pods.values()].filter(
      ({ metadata }) =>
        metadata.labels?.['modelserving.volcano.sh/group-name'] === group && metadata.deletionTimestamp === undefined,
    );
    const roleId = labels['modelserving.volcano.sh/role-id'] ?? '';
    this.losses.push({ group, roleId, survivors: new Set(survivors.map(({ metadata }) => metadata.uid ?? '')) });
  }

  names(): string[] {
    return [...this.pods.keys()].sort();
  }

  uid(name: string): string | undefined {
    return this.pods.get(name)?.metadata.uid;
  }

  image(name: string): string | undefined {
    return this.pods.get(name)?.spec.containers[0]?.image;
  }

  #perform(step: Step): void {
    const desired = desiredOf(this.serving);
    switch (step.do) {
      case 'create-pod': {
        const pod = this.#born(buildPod(desired, step.slot, step.revision, false));
        const name = pod.metadata.name ?? '';
        if (this.pods.has(name)) throw new Error(`${name} exists already`);
        this.pods.set(name, pod);
        break;
      }
      case 'delete-pod':
        if (this.uid(step.name) !== step.uid) throw new Error(`${step.name} is another pod`);
        if (step.because !== 'broken') this.dismissed.add(step.uid);
        this.deletePod(step.name);
        break;
      case 'create-service':
        this.services.set(
          buildService(desired, step.slot).metadata.name ?? '',
          this.#born(buildService(desired, step.slot)),
        );
        break;
      case 'delete-service':
        this.services.delete(step.name);
        break;
      case 'create-revision':
        this.revisions.set(step.revision.name, this.#born(buildControllerRevision(desired, step.revision)));
        break;
      case 'record-inputs':
        this.#record(step);
        break;
      case 'delete-revision':
        for (const [key, one] of this.revisions) if (one.metadata.name === step.name) this.revisions.delete(key);
        break;
      case 'adopt': {
        const pod = this.pods.get(step.name);
        const ownerReferences =
          buildService(desired, { serving: 's', group: 0, role: 'x', instance: 0, index: 0 }).metadata
            .ownerReferences ?? [];
        if (pod !== undefined) this.pods.set(step.name, { ...pod, metadata: { ...pod.metadata, ownerReferences } });
        break;
      }
      default:
        break;
    }
  }

  #record({ name, inputs }: Extract<Step, { do: 'record-inputs' }>): void {
    const annotations = { ...inputs, 'tandem.dev/expand': 'pods' };
    for (const [key, one] of this.revisions) {
      if (one.metadata.name === name) this.revisions.set(key, { ...one, metadata: { ...one.metadata, annotations } });
    }
  }

  #born<T extends KubeObject>(object: T): T {
    this.#uids += 1;
    return { ...object, metadata: { ...object.metadata, uid: `uid-${this.#uids}` } };
  }
}

/** A cluster in which the serving runs already. */
export const running = (given: ModelServing): SmallCluster => {
  const cluster = new SmallCluster(given);
  cluster.converge();
  return cluster;
};
/** Pods that the next plan deletes, each with the reason. */
export const deleted = (cluster: SmallCluster): string[] =>
  cluster.plan().flatMap((step) => (step.do === 'delete-pod' ? [`${step.name} ${step.because}`] : []));
/** Slots that the next plan fills: `GROUP/ROLE-INSTANCE/INDEX`. */
export const created = (cluster: SmallCluster): string[] =>
  cluster
    .plan()
    .flatMap((step) =>
      step.do === 'create-pod' ? [`${step.slot.group}/${step.slot.role}-${step.slot.instance}/${step.slot.index}`] : [],
    );

export const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
export const crashed = (at: number) => ({
  phase: 'Running',
  conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: new Date(at).toISOString() }],
  containerStatuses: [{ name: 'c', restartCount: 1 }],
});

const counts = ({ workerReplicas = 0, maxUnavailable = 1, partition }: Role): Partial<Role> => ({
  workerReplicas,
  maxUnavailable,
  ...(partition === undefined ? {} : { partition }),
});
