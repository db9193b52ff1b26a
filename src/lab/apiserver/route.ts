/** From a URL to what answers it: health and version, discovery, OpenAPI, or a resource. */
import { kubernetesVersion, notServed } from './builtin.js';
import { discoveryDocument } from './discovery.js';
import type { Exchange } from './exchange.js';
import { handle } from './handlers.js';
import { openapiDocument, openapiIndex } from './openapi.js';
import { parseResourcePath, type ResourcePath } from './request-path.js';
import { methodNotAllowed, noSuchResource, notImplemented } from './status.js';
import type { Handlers } from './target.js';

const [major = '', minor = ''] = kubernetesVersion.slice(1).split('.');
const version = {
  major,
  minor,
  gitVersion: `${kubernetesVersion}+tandem-lab`,
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: `node ${process.version}`,
  compiler: 'tsc',
  platform: `${process.platform}/${process.arch}`,
};

export async function routeRequest(server: Handlers, exchange: Exchange): Promise<void> {
  const path = exchange.url.pathname.replace(/(.)\/+$/, '$1');
  const resource = parseResourcePath(path);
  if (resource !== undefined) return routeResource(server, exchange, resource);
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw methodNotAllowed();
  if (path === '/version') return exchange.json(200, version);
  if (['/healthz', '/livez', '/readyz'].includes(path)) return exchange.text(200, 'ok');
  if (path.startsWith('/openapi')) {
    answerOpenapi(server, exchange, path);
    return;
  }
  const document = discoveryDocument(server.ctx.registry, path, exchange.request.headers.accept ?? '');
  if (document === undefined) throw noSuchResource();
  exchange.json(200, document.body, document.contentType);
}

function answerOpenapi({ ctx }: Handlers, exchange: Exchange, path: string): void {
  if (path === '/openapi/v3') {
    exchange.json(200, openapiIndex(ctx.registry));
    return;
  }
  if (!path.startsWith('/openapi/v3/')) throw notImplemented('OpenAPI v2 (clients read /openapi/v3)');
  const document = openapiDocument(ctx.registry, path.slice('/openapi/v3/'.length));
  if (document === undefined) throw noSuchResource();
  exchange.json(200, document);
}

async function routeResource(server: Handlers, exchange: Exchange, path: ResourcePath): Promise<void> {
  const { group, version: name, plural, ...where } = path;
  if (plural === 'watch') throw notImplemented('paths under /watch/ (ask the collection with ?watch=true)');
  const type = server.ctx.registry.find(group, name, plural);
  if (type === undefined) {
    const known = notServed(group, name, plural);
    if (known !== undefined) throw notImplemented(known);
    exchange.text(404, '404 page not found\n');
    return;
  }
  if (type.namespaced !== (where.namespace !== undefined) && (where.name !== undefined || !type.namespaced))
    throw noSuchResource();
  await handle(server, exchange, { type, ...where });
}
