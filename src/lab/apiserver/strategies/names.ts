/** Names, labels and annotations as apimachinery validates them. */
import { type FieldError, forbidden, invalid, required, tooLong } from '../field-error.js';
import { dictOf, type Meta, type Obj, type OwnerReference, textOf } from '../object.js';

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedPart = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const maxAnnotationBytes = 256 * 1024;

const labelText = (regex: string) =>
  `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${regex}')`;
const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const qualifiedText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

export function* dnsLabel(value: string, field: string): Generator<FieldError> {
  if (value.length > 63) yield invalid(field, value, 'must be no more than 63 characters');
  if (!label.test(value)) yield invalid(field, value, labelText('[a-z0-9]([-a-z0-9]*[a-z0-9])?'));
}

export function* dnsSubdomain(value: string, field: string): Generator<FieldError> {
  if (value.length > 253) yield invalid(field, value, 'must be no more than 253 characters');
  if (!subdomain.test(value)) yield invalid(field, value, subdomainText);
}

export function* qualifiedName(value: string, field: string): Generator<FieldError> {
  const [head = '', tail] = value.split('/');
  if (tail !== undefined) {
    if (head === '') yield invalid(field, value, 'prefix part must be non-empty');
    else if (!subdomain.test(head)) yield invalid(field, value, `prefix part ${subdomainText}`);
  }
  const name = tail ?? head;
  if (name === '') yield invalid(field, value, 'name part must be non-empty');
  if (name.length > 63) yield invalid(field, value, 'name part must be no more than 63 characters');
  if (!qualifiedPart.test(name)) yield invalid(field, value, qualifiedText);
}

export function* labelsOf(value: unknown, field: string): Generator<FieldError> {
  for (const [key, text] of Object.entries(dictOf(value))) {
    yield* qualifiedName(key, field);
    const content = String(text);
    if (content.length > 63) yield invalid(field, content, 'must be no more than 63 characters');
    if (content !== '' && !qualifiedPart.test(content)) yield invalid(field, content, valueText);
  }
}

/** What every object's metadata must satisfy. */
export function* metadataErrors(object: Obj, namespaced: boolean, nameIsLabel: boolean): Generator<FieldError> {
  const { metadata } = object;
  yield* nameErrors(metadata, nameIsLabel ? dnsLabel : dnsSubdomain);
  if (!namespaced && textOf(metadata.namespace) !== '') {
    yield forbidden('metadata.namespace', 'not allowed on this type');
  }
  yield* labelsOf(metadata.labels, 'metadata.labels');
  yield* annotationErrors(metadata.annotations);
  yield* ownerErrors(metadata.ownerReferences ?? []);
  for (const finalizer of metadata.finalizers ?? []) yield* qualifiedName(finalizer, 'metadata.finalizers');
}

function* nameErrors({ name, generateName = '' }: Meta, check: typeof dnsLabel): Generator<FieldError> {
  if (generateName !== '') yield* check(generateName.replace(/-+$/, 'a'), 'metadata.generateName');
  if (name === '') yield required('metadata.name', 'name or generateName is required');
  else yield* check(name, 'metadata.name');
}

function* annotationErrors(annotations: Readonly<Record<string, string>> = {}): Generator<FieldError> {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    yield* qualifiedName(key.toLowerCase(), 'metadata.annotations');
    bytes += key.length + Buffer.byteLength(String(value));
  }
  if (bytes > maxAnnotationBytes) yield tooLong('metadata.annotations', maxAnnotationBytes);
}

/** Members of a reference to an owner, each with the name that its error gives it. */
const ownerMembers = { apiVersion: 'version', kind: 'kind', name: 'name', uid: 'uid' } as const;

function* ownerErrors(owners: readonly OwnerReference[]): Generator<FieldError> {
  const field = 'metadata.ownerReferences';
  for (const owner of owners) {
    for (const [key, title] of Object.entries(ownerMembers)) {
      if (textOf(owner[key as keyof OwnerReference]) === '') {
        yield invalid(`${field}.${key}`, '', `${title} must not be empty`);
      }
    }
  }
  const [first, second] = owners.filter(({ controller }) => controller === true);
  if (first === undefined || second === undefined) return;
  const found = `${first.kind}/${first.name} and ${second.kind}/${second.name}`;
  const why = `Only one reference can have Controller set to true. Found "true" in references for ${found}`;
  yield invalid(field, owners, why);
}
