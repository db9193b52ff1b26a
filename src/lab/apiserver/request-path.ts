/** What a URL path asks for, by the rules of the real server (`apiserver/pkg/endpoints/request/requestinfo.go`). */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly namespace?: string;
  readonly plural: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** Undefined when the path names no resource: discovery, OpenAPI, health. */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
  const isCore = parts[0] === 'api';
  if (!isCore && parts[0] !== 'apis') return undefined;
  const [group, version] = isCore ? ['', parts[1]] : [parts[1], parts[2]];
  const rest = parts.slice(isCore ? 2 : 3);
  const [first] = rest;
  if (group === undefined || version === undefined || first === undefined) return undefined;
  return { group, version, ...target(rest) };
}

/** Subresources of namespaces themselves; any other third part names a kind inside the namespace. */
const namespaceParts = new Set(['status', 'finalize']);

function target(rest: readonly string[]): Omit<ResourcePath, 'group' | 'version'> {
  const [first = '', namespace, plural] = rest;
  const isInside =
    first === 'namespaces' && namespace !== undefined && plural !== undefined && !namespaceParts.has(plural);
  const [kind = '', name, ...subresource] = isInside ? rest.slice(2) : rest;
  return {
    plural: kind,
    ...(isInside ? { namespace } : {}),
    ...(name === undefined ? {} : { name }),
    ...(subresource.length === 0 ? {} : { subresource: subresource.join('/') }),
  };
}
