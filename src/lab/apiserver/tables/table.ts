/** Server-printed tables and metadata-only views: what `as=Table` and `as=PartialObjectMetadata` ask for. */
import type { Obj } from '../object.js';
import type { ResourceType } from '../resource-type.js';
import { builtinPrinters, plainPrinter } from './builtin.js';
import { customPrinter } from './custom.js';
import type { Printer } from './printer.js';

const printers = new WeakMap<ResourceType, Printer>();

function printerOf(type: ResourceType): Printer {
  const known = printers.get(type);
  if (known !== undefined) return known;
  const made = type.custom ? customPrinter(type) : (builtinPrinters[type.kind] ?? plainPrinter);
  printers.set(type, made);
  return made;
}

export interface TableOptions {
  /** What each row carries of its object. */
  readonly includeObject: 'None' | 'Metadata' | 'Object';
  /** Milliseconds since the Unix epoch, for ages. */
  readonly now: number;
  /** False in the second and later events of a watch. */
  readonly headers: boolean;
}

export function table(type: ResourceType, objects: readonly Obj[], listMeta: object, options: TableOptions) {
  const printer = printerOf(type);
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: listMeta,
    columnDefinitions: options.headers
      ? printer.columns.map((column) => ({ format: '', description: '', priority: 0, ...column }))
      : [],
    rows: objects.map((object) => ({
      cells: printer.cells(object, options.now),
      ...(options.includeObject === 'None' ? {} : { object: carried(object, options.includeObject) }),
    })),
  };
}

const carried = (object: Obj, form: 'Metadata' | 'Object'): unknown => (form === 'Object' ? object : partial(object));

/** The metadata of an object and nothing else. */
export const partial = (object: Obj) => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata: object.metadata,
});
