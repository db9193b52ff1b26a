/** Label and field selectors: parsed once per request, then asked per object. */
import type { Obj } from './object.js';
import type { ResourceType } from './resource-type.js';
import { present } from './resource-type.js';
import { badRequest } from './status.js';

export type Selects = (stored: Obj) => boolean;
type Labels = Readonly<Record<string, string>>;

/** Objects that both selectors of a request choose; undefined when the request has none. Throws 400 on bad syntax. */
export function selection(type: ResourceType, query: URLSearchParams): Selects | undefined {
  const label = query.get('labelSelector') ?? '';
  const field = query.get('fieldSelector') ?? '';
  if (label.trim() === '' && field.trim() === '') return undefined;
  const byLabel = parseLabelSelector(label);
  const byField = parseFieldSelector(type, field);
  return (stored) => byLabel(stored.metadata.labels ?? {}) && byField(stored);
}

const requirement =
  /^\s*(?:(!)\s*([^\s!=<>(),]+)|([^\s!=<>(),]+)\s*(?:(==|=|!=|<|>)\s*([^\s!=<>(),]*)|\s(in|notin)\s*\(([^()]*)\))?)\s*$/;

/** `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>3`, joined by commas. */
export function parseLabelSelector(text: string): (labels: Labels) => boolean {
  if (text.trim() === '') return () => true;
  const tests = splitOutsideParentheses(text).map(parseRequirement);
  return (labels) => tests.every((test) => test(labels));
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/);
}

const operators: Readonly<Record<string, (held: string | undefined, value: string) => boolean>> = {
  '=': (held, value) => held === value,
  '==': (held, value) => held === value,
  '!=': (held, value) => held !== value,
  '<': (held, value) => held !== undefined && Number(held) < Number(value),
  '>': (held, value) => held !== undefined && Number(held) > Number(value),
};

function parseRequirement(text: string): (labels: Labels) => boolean {
  const match = requirement.exec(text);
  if (!match) throw badRequest(`unable to parse requirement: found '${text.trim()}', expected: a label selector`);
  const [, not, absent = '', key = '', operator = '', value = '', set, values = ''] = match;
  if (not !== undefined) return (labels) => labels[absent] === undefined;
  if (set !== undefined) return inSet(key, values, set === 'in');
  const test = operators[operator];
  return test === undefined ? (labels) => labels[key] !== undefined : (labels) => test(labels[key], value);
}

function inSet(key: string, values: string, inside: boolean): (labels: Labels) => boolean {
  const set = new Set(values.split(',').map((value) => value.trim()));
  return inside
    ? (labels) => labels[key] !== undefined && set.has(labels[key])
    : (labels) => labels[key] === undefined || !set.has(labels[key]);
}

interface LabelSelectorObject {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/** A `metav1.LabelSelector`; an empty one selects everything, an absent one everything too (as webhooks read it). */
export function matchesLabelSelector(selector: LabelSelectorObject | undefined, labels: Labels): boolean {
  if (selector === undefined) return true;
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return equal && (selector.matchExpressions ?? []).every((expression) => matchesExpression(expression, labels));
}

function matchesExpression(
  { key, operator, values = [] }: { key: string; operator: string; values?: readonly string[] },
  labels: Labels,
): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    default:
      return value === undefined;
  }
}

/** `metadata.name=x,spec.nodeName!=y`. Throws 400 for a field that the kind does not offer. */
function parseFieldSelector(type: ResourceType, text: string): Selects {
  if (text.trim() === '') return () => true;
  const tests = text.split(',').map((part) => {
    const match = /^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part);
    if (!match) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
    const [, field = '', operator, value = ''] = match;
    return { field, wanted: operator !== '!=', value };
  });
  return (stored) => {
    const fields = fieldsOf(type, stored);
    return tests.every(({ field, wanted, value }) => (fields[field] === value) === wanted);
  };
}

/** Throws 400 when a selector names a field that the kind does not offer. */
export function assertFields(type: ResourceType, query: URLSearchParams): void {
  const text = query.get('fieldSelector') ?? '';
  if (text.trim() === '') return;
  const offered = fieldsOf(type, { apiVersion: '', kind: '', metadata: { name: '', uid: '' } });
  for (const part of text.split(',')) {
    const field = part.split(/[=!]/)[0]?.trim() ?? '';
    if (offered[field] === undefined) throw badRequest(`field label not supported: ${field}`);
  }
}

function fieldsOf(type: ResourceType, stored: Obj): Readonly<Record<string, string>> {
  return {
    'metadata.name': stored.metadata.name,
    ...(type.namespaced ? { 'metadata.namespace': stored.metadata.namespace ?? '' } : {}),
    ...type.strategy.fields?.(present(type, stored)),
  };
}
