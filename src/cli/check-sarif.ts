import { isAbsolute, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { allRules, type RuleFacts } from '../core/checks/all-rules.js';
import type { Finding } from '../core/checks/finding.js';
import type { ObjectFindings } from './check-report.js';

/**
 * The findings as SARIF 2.1.0 (OASIS), the form that code hosts show beside the lines of a change: every rule that was
 * tried, and one result per finding with its file and line, its field path, and what to do.
 */
export function findingsAsSarif(checked: readonly ObjectFindings[]): string {
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'tandem', rules: allRules.map(descriptorOf) } },
        results: checked.flatMap((object) => object.findings.map((finding) => resultOf(object, finding))),
      },
    ],
  };
  return `${JSON.stringify(log, undefined, 2)}\n`;
}

const descriptorOf = ({ code, title, because, severity, source, judges }: RuleFacts) => ({
  id: code,
  shortDescription: { text: title },
  fullDescription: { text: `${title}: ${because}.` },
  defaultConfiguration: { level: severity },
  properties: { source, judges },
});

const positions = new Map(allRules.map(({ code }, i) => [code, i]));

function resultOf({ file, kind, name, lineOf }: ObjectFindings, finding: Finding) {
  const { code, severity, path, saw, want, fix, because } = finding;
  const seen = saw === undefined || saw === null ? 'nothing' : typeof saw === 'string' ? saw : JSON.stringify(saw);
  return {
    ruleId: code,
    ruleIndex: positions.get(code) ?? -1,
    level: severity,
    message: { text: `${kind} ${name}, ${path}: saw ${seen}, want ${want}, because ${because}; ${fix}` },
    locations: [
      {
        // Standard input has no address that a reader of the log could open.
        ...(file !== '-' && {
          physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: { startLine: lineOf?.(path) ?? 1 } },
        }),
        logicalLocations: [{ fullyQualifiedName: path, kind: 'member' }],
      },
    ],
  };
}

const uriOf = (file: string): string =>
  isAbsolute(file) ? pathToFileURL(file).href : file.split(sep).map(encodeURIComponent).join('/');
