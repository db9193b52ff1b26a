/** Writes `docs/keys.md` from `src/api/names.ts`. */
import { levels, tandemKeys, topologyLabel } from '../api/names.js';
import { emit } from './emit.js';

const rows = [
  ...Object.values(tandemKeys).map((key) => [`\`${key.key}\``, key.on, key.writtenBy, key.readBy, key.value]),
  [
    '`topology.tandem.dev/LEVEL`',
    'Pod label',
    'pods/binding webhook',
    'router, placement check, containers that ask (docs/placement.md)',
    `domain of the node at that level: ${levels.map((level) => `\`${level}\``).join(', ')}`,
  ],
];
const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;

emit(
  'docs/keys.md',
  `<!-- Generated from src/api/names.ts by \`make gen\`. Do not edit. -->
# The contract in keys

The parts meet only in Kubernetes objects. A part that finds a key absent still works, with less knowledge, and says so once.
The labels of Kthena's API (\`modelserving.volcano.sh/...\`) keep their meaning. Pod labels of the node's place are spelled as \`${topologyLabel('leaf')}\`.

${line(['key', 'on', 'written by', 'read by', 'value'])}${line(['---', '---', '---', '---', '---'])}${rows.map(line).join('')}`,
);
