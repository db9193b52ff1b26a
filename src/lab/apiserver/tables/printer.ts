/** How one kind becomes rows of a server-printed table. */
import type { Obj } from '../object.js';
import type { Column } from '../resource-type.js';

export interface Printer {
  readonly columns: readonly Column[];
  /** One cell per column. `now` is for ages. */
  readonly cells: (object: Obj, now: number) => readonly unknown[];
}

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace.',
};
export const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  description: 'CreationTimestamp is the time when this object was created.',
};
export const text = (name: string, priority = 0): Column => ({ name, type: 'string', priority });
export const integer = (name: string): Column => ({ name, type: 'integer' });
