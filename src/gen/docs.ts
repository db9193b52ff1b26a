/** Writes `docs/rules.md` and `docs/profiles.md` from the rule table and the profile files. */
import { allRules } from '../core/checks/all-rules.js';
import { loadProfiles } from '../settings/profiles.js';
import { emit } from './emit.js';
import { profilesPage } from './profiles-page.js';

const line = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`;
const head = (cells: readonly string[]) => line(cells) + line(cells.map(() => '---'));

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

emit('docs/rules.md', rules());
emit('docs/profiles.md', profilesPage(await loadProfiles()));
