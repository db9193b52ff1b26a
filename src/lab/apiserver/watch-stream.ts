/** A watch on the wire: one JSON line per event until the client leaves, the time is up, or it reads too slowly. */
import { tableOptions } from './answers.js';
import type { Exchange } from './exchange.js';
import { answerForm } from './media.js';
import type { Obj } from './object.js';
import { ApiError } from './status.js';
import { partial, table } from './tables/table.js';
import type { Handlers, Target } from './target.js';
import { openWatch, type Watch, type WatchEvent } from './watch.js';

const bookmarkEveryMs = 60_000;
const longestSeconds = 3600;
/** A client this far behind is cut off and starts again, as the real server does. */
const backlogBytes = 16 * 1024 * 1024;

export function streamWatch(server: Handlers, exchange: Exchange, target: Target): void {
  const { response, query } = exchange;
  const form = shape(server, exchange, target);
  const watch = openOrTell(server, exchange, target);
  if (watch === undefined) return;
  const send = (event: WatchEvent) => {
    response.write(`${JSON.stringify({ type: event.type, object: form(event) })}\n`);
    if (response.writableLength > backlogBytes) response.destroy();
  };
  const mark = () => {
    const bookmark = watch.bookmark();
    if (bookmark !== undefined) send(bookmark);
  };
  const end = () => {
    mark();
    response.end();
  };
  const seconds = Number(query.get('timeoutSeconds') ?? 0);
  for (const event of watch.initial) send(event);
  const unsubscribe = watch.start(send);
  const bookmarks = setInterval(mark, bookmarkEveryMs);
  const limit = setTimeout(end, (seconds > 0 ? Math.min(seconds, longestSeconds) : longestSeconds) * 1000);
  const onStop = () => response.end();
  server.signal.addEventListener('abort', onStop, { once: true });
  response.once('close', () => {
    unsubscribe();
    clearInterval(bookmarks);
    clearTimeout(limit);
    server.signal.removeEventListener('abort', onStop);
  });
}

/** Opens the watch and begins the answer. A version that is gone is told inside the watch, as by the real server's cache. */
function openOrTell({ ctx }: Handlers, { response, query }: Exchange, target: Target): Watch | undefined {
  const begin = () => {
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
  };
  try {
    const { type, namespace, name } = target;
    const watch = openWatch(ctx, { type, query: withName(query, name), ...(namespace !== undefined && { namespace }) });
    begin();
    return watch;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 410) throw error;
    begin();
    response.end(`${JSON.stringify({ type: 'ERROR', object: error.body })}\n`);
    return undefined;
  }
}

function withName(query: URLSearchParams, name: string | undefined): URLSearchParams {
  if (name === undefined) return query;
  const narrowed = new URLSearchParams(query);
  narrowed.set('fieldSelector', `metadata.name=${name}`);
  return narrowed;
}

/** How the object of an event is written: plain, as a table with one row, or only its metadata. */
function shape({ ctx }: Handlers, exchange: Exchange, { type }: Target): (event: WatchEvent) => unknown {
  const { as } = answerForm(exchange.request.headers.accept);
  if (as === 'plain') return ({ object }) => object;
  if (as === 'metadata') return ({ object }) => partial(object);
  const options = tableOptions(ctx, exchange);
  let headers = true;
  return (event) => {
    const { resourceVersion } = event.object.metadata;
    const rows: Obj[] = event.type === 'BOOKMARK' ? [] : [event.object];
    const made = table(type, rows, { resourceVersion }, { ...options, now: ctx.now(), headers });
    headers = false;
    // A bookmark has one row without cells: clients read its object's resourceVersion.
    return event.type === 'BOOKMARK' ? { ...made, rows: [{ cells: [], object: partial(event.object) }] } : made;
  };
}
