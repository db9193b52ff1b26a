/** Nodes: capacity doubles as allocatable until somebody says otherwise. */
import { at, dictOf, isDict, type Obj } from '../object.js';
import type { Strategy } from '../resource-type.js';

export const nodeStrategy: Strategy = {
  allowUnconditionalUpdate: true,
  defaults(node: Obj) {
    const status = node['status'];
    if (isDict(status) && isDict(status['capacity'])) status['allocatable'] ??= { ...dictOf(status['capacity']) };
  },
  fields: (node) => ({ 'spec.unschedulable': String(at(node, 'spec', 'unschedulable') === true) }),
};
