/** Names, labels and annotations as apimachinery validates them. */
import { type FieldError, forbidden, invalid, required, tooLong } from '../field-error.js';
import { dictOf, type Obj } from '../object.js';

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
  const check = nameIsLabel ? dnsLabel : dnsSubdomain;
  if (metadata.generateName !== undefined && metadata.generateName !== '') {
    yield* check(metadata.generateName.replace(/-+$/, 'a'), 'metadata.generateName');
  }
  if (metadata.name === '') yield required('metadata.name', 'name or generateName is required');
  else yield* check(metadata.name, 'metadata.name');
  if (!namespaced && metadata.namespace !== undefined && metadata.namespace !== '') {
    yield forbidden('metadata.namespace', 'not allowed on this type');
  }
  yield* labelsOf(metadata.labels, 'metadata.labels');
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    yield* qualifiedName(key.toLowerCase(), 'metadata.annotations');
    bytes += key.length + Buffer.byteLength(String(value));
  }
  if (bytes > maxAnnotationBytes) yield tooLong('metadata.annotations', maxAnnotationBytes);
  yield* ownerErrors(object);
  for (const finalizer of metadata.finalizers ?? []) yield* qualifiedName(finalizer, 'metadata.finalizers');
}

function* ownerErrors({ metadata }: Obj): Generator<FieldError> {
  const owners = metadata.ownerReferences ?? [];
  const field = 'metadata.ownerReferences';
  for (const owner of owners) {
    for (const key of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (typeof owner[key] !== 'string' || owner[key] === '') {
        yield invalid(
          `${field}.${key}`,
          owner[key] ?? '',
          `${key === 'apiVersion' ? 'version' : key} must not be empty`,
        );
      }
    }
  }
  const controllers = owners.filter(({ controller }) => controller === true);
  if (controllers.length > 1) {
    const [first, second] = controllers;
    yield invalid(
      field,
      owners,
      `Only one reference can have Controller set to true. Found "true" in references for ${first?.kind}/${first?.name} and ${second?.kind}/${second?.name}`,
    );
  }
}
