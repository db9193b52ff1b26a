import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml';

/**
 * The line, from 1, on which a field path of an object is written (`spec.roles[0].env["POD_IP"]`). A path that the file
 * does not hold, because expansion added it or it is missing, gives the line of the nearest field around it.
 */
export function lineOfPath(document: Document, lines: LineCounter, path: string): number {
  let place = startOf(document.contents as Node | null) ?? 0;
  let node = document.contents as Node | null | undefined;
  for (const step of stepsOf(path)) {
    const found = memberOf(resolved(node, document), step);
    if (!found) break;
    place = found.start ?? place;
    node = found.node;
  }
  return lines.linePos(place).line;
}

type Step = string | number;

const segment = /\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([^.[\]]+)/g;

const stepsOf = (path: string): readonly Step[] =>
  [...path.matchAll(segment)].map(([, index, quoted, name]) =>
    index === undefined ? (quoted ?? name ?? '') : Number(index),
  );

interface Member {
  readonly start: number | undefined;
  readonly node: Node | null | undefined;
}

function memberOf(node: Node | null | undefined, step: Step): Member | undefined {
  if (isSeq(node)) {
    const item = typeof step === 'number' ? node.items[step] : node.items.find((one) => nameOf(one) === step);
    return item === undefined ? undefined : { start: startOf(item as Node), node: item as Node };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair && { start: startOf(pair.key as Node), node: pair.value as Node | null };
}

/** What a list that is merged by name calls its items. */
const nameOf = (item: unknown): unknown => (isMap(item) ? item.get('name') : undefined);

const resolved = (node: Node | null | undefined, document: Document): Node | null | undefined =>
  isAlias(node) ? node.resolve(document) : node;

const startOf = (node: Node | null | undefined): number | undefined => node?.range?.[0];
