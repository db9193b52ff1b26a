import type { Profiles } from '../profiles/types.js';
import type { PodReading } from '../reading/types.js';

/** A way into an object: member names, list positions, and list entries chosen by what identifies them. */
export type Segment = string | number | { readonly key: string; readonly is: string | number };
export type Place = readonly Segment[];

/** Why something is added, by which profile (or `tandem` itself). */
export interface Because {
  /** Name of the profile that asks for it; `tandem` when it follows from Kubernetes or the API alone. */
  readonly by: string;
  readonly because: string;
  /** Where the fact comes from, e.g. `pd-protocols C-24`. */
  readonly source?: string | undefined;
}

/**
 * One thing that a step wants in the object, relative to a pod template (`metadata`, `spec`):
 * `field`: a member, when it is absent; `entry`: an element of a list whose elements are told apart by the member `key`;
 * `item`: a plain value of a list; `words`: arguments at the end of a list, when their first word is not in it. With `nth`
 * they are the user's own, who may repeat a flag: they are added when the list has fewer than so many of exactly these.
 */
export type Addition = Because &
  (
    | { readonly kind: 'field'; readonly place: Place; readonly value: unknown }
    | {
        readonly kind: 'entry';
        readonly list: Place;
        readonly key: string;
        readonly value: object;
        readonly first?: boolean;
      }
    | { readonly kind: 'item'; readonly list: Place; readonly value: string }
    | { readonly kind: 'words'; readonly list: Place; readonly value: readonly string[]; readonly nth?: number }
  );

/** What a step may look at. Everything is as it stands when the step runs, earlier additions included. */
export interface Subject {
  readonly reading: PodReading;
  /** The pod template or Pod itself: `metadata` and `spec`. */
  readonly template: PodLike;
  /** Readings of all roles of the serving; only this pod's own where the serving is not known. */
  readonly peers: readonly PodReading[];
  readonly profiles: Profiles;
  readonly settings: ExpandSettings;
  /** Position of the role in its serving: decides its block of ports under `hostNetwork`. */
  readonly roleIndex: number;
  /** The engine container was made by the terse form, in this run. */
  readonly terse: boolean;
  readonly asked: Asked;
}

/** Value by the name of an option. */
export type Options = ReadonlyMap<string, string>;

/** What a serving asks for that no profile can know. */
export interface Asked {
  /** Address of the store, pool or proxy through which KV goes. */
  readonly store?: string;
  /** Network card of every pod that moves KV. */
  readonly network?: { readonly resource: string; readonly count: number };
  /** Values of the options of accelerator profiles. */
  readonly options?: Options;
  /** Scheduler of the serving; Volcano when absent. */
  readonly scheduler?: string;
}

export interface PodLike {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
}

export interface Step {
  readonly name: string;
  /** Later steps depend on what this one adds, so the pod is read anew after it: all of it, or what its environment decides. */
  readonly readAgain?: 'all' | 'environment';
  additions(subject: Subject): readonly Addition[];
}

/** One thing that was added (or, where said so, replaced), for a person. */
export interface Reason extends Because {
  readonly step: string;
  /** Role it belongs to; empty for the serving itself. */
  readonly role: string;
  /** Inside the role's pod template, e.g. `containers[vllm].env[POD_IP]`. */
  readonly field: string;
  /** What was added, short. */
  readonly value: string;
  /** The place in the whole object, to be resolved in the expanded object. */
  readonly place: Place;
}

/** RFC 6902. Only `add` and `replace` are ever written. */
export interface Operation {
  readonly op: 'add' | 'replace';
  readonly path: string;
  readonly value: unknown;
}

/** What stands in the way of an expansion that the user asked for; the object is left without it. */
export interface ExpandProblem {
  /** Field path, e.g. `metadata.annotations["tandem.dev/engine"]`. */
  readonly path: string;
  readonly saw: unknown;
  readonly want: string;
  readonly fix: string;
}

/** What expansion adds to the templates of a serving. */
export interface TemplateAdditions {
  readonly reasons: readonly Reason[];
  readonly problems: readonly ExpandProblem[];
  /** The templates as reasons name them. */
  readonly names: readonly string[];
  /** Profiles in use, with repetitions. */
  readonly profileNames: readonly string[];
  /** `freshNote` of the reasons, where it is known already. */
  readonly note?: string;
}

export interface ExpandedTemplates extends TemplateAdditions {
  readonly patch: readonly Operation[];
}

/** What an installation may set; profiles hold everything else. */
export interface ExpandSettings {
  /** Image per engine profile for the terse form, instead of the profile's own. */
  readonly images: Readonly<Record<string, string>>;
  /** Image of the model downloader, instead of the profile's own. */
  readonly downloaderImage?: string | undefined;
  /** Scheduler that stands in for another, e.g. `{ volcano: 'default-scheduler' }` on a cluster without Volcano. */
  readonly schedulerNames: Readonly<Record<string, string>>;
  /** False where the container runtime of the nodes mounts no driver (no Ascend Docker Runtime); true when absent. */
  readonly runtimeMounts?: boolean;
  /** Options of accelerator profiles that hold for the whole installation; a serving's own count more. */
  readonly options?: Options;
}

export const defaultExpandSettings: ExpandSettings = { images: {}, schedulerNames: {} };
