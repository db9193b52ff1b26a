import { Document, isCollection, isMap, isNode, isScalar, isSeq, type Pair } from 'yaml';
import { resolvePlace } from '../core/expand/spell.js';
import type { ExpandProblem, Reason } from '../core/expand/types.js';

export interface Expanded {
  readonly object: unknown;
  readonly reasons: readonly Reason[];
  readonly problems?: readonly ExpandProblem[];
  readonly warnings?: readonly string[];
}

/**
 * What `tandem expand [--explain]` prints for one object: its YAML, ready for `kubectl apply -f -`; with `explain` a comment
 * above everything that was added, with the profile that asked for it, the reason and its source.
 */
export function expandReport(expanded: Expanded, { explain = false }: { explain?: boolean } = {}): string {
  const document = new Document(structuredClone(expanded.object));
  const notes = [...(expanded.problems ?? []).map(describeExpandProblem), ...(expanded.warnings ?? [])];
  if (notes.length > 0) document.commentBefore = notes.map((note) => ` ${note}`).join('\n');
  if (explain) for (const reason of expanded.reasons) comment(document, expanded.object, reason);
  return document.toString({ lineWidth: 0, commentString: (text) => text.replace(/^(?=.)/gm, '#') });
}

export const describeExpandProblem = ({ path, saw, want, fix }: ExpandProblem): string =>
  `not expanded: ${path} is ${saw === undefined ? 'absent' : JSON.stringify(saw)}, wanted ${want}; ${fix}`;

function comment(document: Document, object: unknown, reason: Reason): void {
  const path = resolvePlace(object, reason.place);
  if (path === undefined) return;
  const parent: unknown = document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  const text = ` ${reason.by}: ${reason.because}${reason.source ? ` (${reason.source})` : ''}`;
  const target = isMap(parent) ? keyOf(parent.items, last) : isSeq(parent) ? parent.items[Number(last)] : undefined;
  if (!isNode(target)) return;
  if (isCollection(target) || isScalar(target)) target.commentBefore = text;
}

/** The key's own node: a comment before the value would stand behind the colon. */
function keyOf(items: readonly Pair[], name: string | number | undefined): unknown {
  const pair = items.find(({ key }) => (isScalar(key) ? key.value === name : key === name));
  if (!pair) return undefined;
  if (!isScalar(pair.key)) pair.key = new Document(pair.key).contents;
  return pair.key;
}
