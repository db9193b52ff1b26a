import { readFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { parseDocument } from 'yaml';
import { describeError, table } from '../base/errors.js';
import { isObject } from '../base/json.js';

export const configErrors = table({
  'config-unreadable': {
    status: 500,
    retryable: false,
    says: (m: { file: string; why: string }) => `cannot read --config ${m.file}: ${m.why}`,
  },
  'config-invalid': {
    status: 500,
    retryable: false,
    says: (m: { file: string; why: string; fix: string }) => `--config ${m.file}: ${m.why}; ${m.fix}`,
  },
});

/** Sets what `--config FILE` says for every flag that the command line does not name. Unknown keys and wrong values are refused. */
export function applyConfigFile(command: Command): void {
  const file = command.opts()['config'] as string | undefined;
  if (file === undefined) return;
  const flags = new Map(command.options.map((option) => [option.long?.slice(2) ?? '', option]));
  for (const [key, value] of Object.entries(readConfig(file))) {
    const option = flags.get(key);
    if (!option || key === 'config') {
      const known = [...flags.keys()].filter((name) => name !== 'config').join(', ');
      throw configErrors('config-invalid', { file, why: `unknown key "${key}"`, fix: `known keys: ${known}` });
    }
    const wrong = wrongIn(option, value);
    if (wrong) {
      throw configErrors('config-invalid', { file, why: `${key} is ${JSON.stringify(value)}`, fix: `write ${wrong}` });
    }
    const name = option.attributeName();
    if (command.getOptionValueSource(name) === 'cli') continue;
    command.setOptionValueWithSource(name, option.isBoolean() ? value : String(value), 'config');
  }
}

/** What should be written instead; undefined when the value fits the flag. */
function wrongIn(option: Option, value: unknown): string | undefined {
  if (option.isBoolean()) return typeof value === 'boolean' ? undefined : 'true or false';
  if (typeof value !== 'string' && typeof value !== 'number') return 'a text or a number';
  const choices = option.argChoices;
  return choices && !choices.includes(String(value)) ? `one of ${choices.join(', ')}` : undefined;
}

function readConfig(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw configErrors('config-unreadable', { file, why: describeError(error) }, error);
  }
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem) throw configErrors('config-invalid', { file, why: problem.message, fix: 'mend the YAML' });
  const content: unknown = document.toJS() ?? {};
  if (!isObject(content))
    throw configErrors('config-invalid', { file, why: 'it is not a mapping', fix: 'write one "flag: value" a line' });
  return content;
}
