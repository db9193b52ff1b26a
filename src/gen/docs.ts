/** Writes `docs/rules.md` and `docs/profiles.md` from the rule table and the profile files. */
import { allRules } from '../core/checks/all-rules.js';
import { loadProfiles } from '../settings/profiles.js';
import { emit } from './emit.js';

const line = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`;
const head = (cells: readonly string[]) => line(cells) + line(cells.map(() => '---'));
const code = (text: string) => `\`${text}\``;

function rules(): string {
  const rows = [...allRules].sort((a, b) => (a.code < b.code ? -1 : 1));
  return `<!-- Generated from src/core/checks by \`make gen\`. Do not edit. -->
# Rules

What \`tandem check\` and the webhook find. An error refuses the object, a warning is printed by kubectl. The annotation
\`tandem.dev/skip-checks: TND-026,TND-047\` takes rules out for one object. A command line that can only be read by guess
(a shell script) turns an error into a warning. Codes up to TND-080 follow the numbers of pd-protocols C. TND-080 is no rule but
the list of defaults: expansion adds them where they are absent, and \`tandem explain\` names each. TND-072 and TND-115 are
judged by what the router of this version speaks.

${head(['code', 'severity', 'rule', 'because', 'source'])}${rows.map((row) => line([row.code, row.severity, row.title, row.because, row.source])).join('')}`;
}

async function profiles(): Promise<string> {
  const { accelerators, engines, connectors } = await loadProfiles();
  return `<!-- Generated from config/profiles by \`make gen\`. Do not edit. -->
# Profiles

A profile is a YAML file in \`config/profiles\` that describes an accelerator, an engine or a connector; a new one is a new file, not code.
\`tandem expand --profiles FOLDER\` and \`tandem webhook --profiles FOLDER\` read another folder, which is followed while the process runs.

## Accelerators

${head(['name', 'resources'])}${accelerators.map((row) => line([code(row.name), row.resources.map(code).join(', ')])).join('')}
## Engines

${head(['name', 'family'])}${engines.map((row) => line([code(row.name), row.family])).join('')}
## Connectors

${head(['name', '`kv_connector`', 'dialect of the router'])}${connectors.map((row) => line([code(row.name), row.connectors.map(code).join(', '), code(row.dialect)])).join('')}`;
}

emit('docs/rules.md', rules());
emit('docs/profiles.md', await profiles());
