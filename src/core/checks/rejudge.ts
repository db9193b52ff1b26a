import type { KubeObject } from '../../api/kube.js';
import { relationsOf } from './check.js';
import type { CheckContext } from './context.js';
import type { Finding } from './finding.js';

export type JudgedKind = 'ModelServing' | 'ModelServer' | 'ModelRoute';

/** What stands between objects, by the uid of the object and then by rule: the mark of the findings, to tell news by. */
export type Standing = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** One thing to tell the author of one object: a rule that it breaks beside others, or, without findings, breaks no more. */
export interface News {
  readonly kind: JudgedKind;
  readonly about: KubeObject;
  readonly code: string;
  readonly findings: readonly Finding[];
  /** Equal for equal findings, whoever judges. */
  readonly mark: string;
}

export interface Verdict {
  readonly standing: Standing;
  readonly news: readonly News[];
}

/**
 * Judges the objects of one namespace beside each other, as admission could not when one of them was still to come, and
 * tells what is new since `before`. All findings of one rule at one object are one piece of news.
 */
export function rejudge(near: CheckContext, before: Standing): Verdict {
  const standing = new Map<string, ReadonlyMap<string, string>>();
  const news: News[] = [];
  for (const { kind, about, findings } of relations(near)) {
    const { uid } = about.metadata;
    if (uid === undefined) continue;
    const said = before.get(uid) ?? new Map<string, string>();
    const found = byCode(findings);
    const marks = new Map([...found].map(([code, some]) => [code, markOf(code, some)]));
    for (const [code, some] of found) {
      const mark = marks.get(code) ?? code;
      if (said.get(code) !== mark) news.push({ kind, about, code, findings: some, mark });
    }
    for (const [code, mark] of said) {
      if (!marks.has(code)) news.push({ kind, about, code, findings: [], mark: `cured ${mark}` });
    }
    if (marks.size > 0) standing.set(uid, marks);
  }
  return { standing, news };
}

interface Related {
  readonly kind: JudgedKind;
  readonly about: KubeObject;
  readonly findings: readonly Finding[];
}

function* relations(near: CheckContext): Iterable<Related> {
  for (const reading of near.modelServings ?? []) {
    yield { kind: 'ModelServing', about: reading.serving, findings: relationsOf.serving(reading, near) };
  }
  for (const server of near.modelServers ?? []) {
    yield { kind: 'ModelServer', about: server, findings: relationsOf.server(server, near) };
  }
  for (const route of near.modelRoutes ?? []) {
    yield { kind: 'ModelRoute', about: route, findings: relationsOf.route(route, near) };
  }
}

function byCode(findings: readonly Finding[]): ReadonlyMap<string, readonly Finding[]> {
  const grouped = new Map<string, Finding[]>();
  for (const finding of findings) grouped.set(finding.code, [...(grouped.get(finding.code) ?? []), finding]);
  return grouped;
}

const markOf = (code: string, findings: readonly Finding[]): string =>
  JSON.stringify([code, ...findings.map(({ path, saw, want }) => [path, saw ?? null, want])]);
