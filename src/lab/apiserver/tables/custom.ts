/** Tables of custom resources, from `additionalPrinterColumns`. */
import type { Obj } from '../object.js';
import type { ResourceType } from '../resource-type.js';
import { plainPrinter } from './builtin.js';
import { age } from './duration.js';
import { compileJsonPath } from './json-path.js';
import { nameColumn, type Printer } from './printer.js';

/** A printer for a custom kind; without columns of its own it shows name and age. */
export function customPrinter({ printed }: ResourceType): Printer {
  if (printed === undefined || printed.length === 0) return plainPrinter;
  const columns = printed.map(({ jsonPath, ...column }) => ({ column, read: compileJsonPath(jsonPath) }));
  return {
    columns: [nameColumn, ...columns.map(({ column }) => column)],
    cells: (object: Obj, now) => [
      object.metadata.name,
      ...columns.map(({ column, read }) => cell(column.type, read?.(object)[0], now)),
    ],
  };
}

function cell(type: string, value: unknown, now: number): unknown {
  if (value === undefined || value === null) return null;
  if (type === 'date') return age(value, now);
  if (type === 'string') return typeof value === 'string' ? value : JSON.stringify(value);
  // A value of another type than its column's is left out.
  if (typeof value !== (type === 'boolean' ? 'boolean' : 'number')) return null;
  return type === 'integer' ? Math.trunc(Number(value)) : value;
}
