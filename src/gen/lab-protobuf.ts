/**
 * Makes `src/lab/apiserver/generated/protobuf.json`: field numbers, names and types of the messages that kubectl's typed
 * commands (`kubectl create namespace` and the like) send, from the .proto files of the pinned Kubernetes modules.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { emit } from './emit.js';

/** Field: name, type, and how often: `one`, `many` or `map`. */
type Field = readonly [string, string, 'one' | 'many' | 'map'];
type Message = Record<string, Field>;

const sources: readonly (readonly [module: string, folder: string])[] = [
  ['k8s.io/api', 'core/v1'],
  ['k8s.io/api', 'apps/v1'],
  ['k8s.io/api', 'authentication/v1'],
  ['k8s.io/api', 'authorization/v1'],
  ['k8s.io/api', 'autoscaling/v1'],
  ['k8s.io/api', 'coordination/v1'],
  ['k8s.io/api', 'policy/v1'],
  ['k8s.io/apimachinery', 'pkg/apis/meta/v1'],
  ['k8s.io/apimachinery', 'pkg/api/resource'],
  ['k8s.io/apimachinery', 'pkg/util/intstr'],
  ['k8s.io/apimachinery', 'pkg/runtime'],
];

const roots = [
  ...['Namespace', 'ConfigMap', 'Secret', 'Service', 'ServiceAccount', 'Pod', 'Binding', 'Event'].map(
    (kind) => `k8s.io.api.core.v1.${kind}`,
  ),
  'k8s.io.api.authentication.v1.SelfSubjectReview',
  'k8s.io.api.authorization.v1.SelfSubjectAccessReview',
  'k8s.io.api.authorization.v1.SelfSubjectRulesReview',
  'k8s.io.api.autoscaling.v1.Scale',
  'k8s.io.api.apps.v1.ControllerRevision',
  'k8s.io.api.coordination.v1.Lease',
  'k8s.io.api.policy.v1.Eviction',
  'k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions',
];

const folderOf = (module: string) =>
  execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', module], { cwd: 'test/control-plane', encoding: 'utf8' }).trim();

function parse(text: string): Map<string, Message> {
  const name = /^package ([\w.]+);/m.exec(text)?.[1] ?? '';
  const messages = new Map<string, Message>();
  for (const [, message = '', body = ''] of text.matchAll(/^message (\w+) \{\n([\s\S]*?)^\}/gm)) {
    messages.set(`${name}.${message}`, fieldsOf(body, name));
  }
  return messages;
}

function fieldsOf(body: string, scope: string): Message {
  const fields: Message = {};
  const line = /^\s+(optional|repeated|map<string,) ([.\w]+)>? (\w+) = (\d+);/gm;
  for (const [, label, type = '', name = '', number = ''] of body.matchAll(line)) {
    const full = type.startsWith('.') ? type.slice(1) : /^[A-Z]/.test(type) ? `${scope}.${type}` : type;
    fields[number] = [name, full, label === 'optional' ? 'one' : label === 'repeated' ? 'many' : 'map'];
  }
  return fields;
}

const all = new Map(
  sources.flatMap(([module, folder]) => [
    ...parse(readFileSync(join(folderOf(module), folder, 'generated.proto'), 'utf8')),
  ]),
);
const kept: Record<string, Message> = {};
const queue = [...roots];
for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
  const message = all.get(name);
  if (!message || kept[name]) continue;
  kept[name] = message;
  queue.push(...Object.values(message).map(([, type]) => type));
}
emit('src/lab/apiserver/generated/protobuf.json', `${JSON.stringify(kept)}\n`);
