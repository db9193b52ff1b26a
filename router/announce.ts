import type { LoadTable } from '../src/core/pairing/load.js';
import type { DirectoryEvents, ServerView } from './directory.js';
import type { Room } from './room.js';
import type { RouterMetrics } from './router-metrics.js';
import { parseDuration } from './timeout.js';

/** Shorter than a long prompt's prefill on any accelerator. */
const shortTimeout = 60_000;

/** Says once what was inferred or looks wrong when the cluster's objects are first put to use. */
export function directoryEvents(warn: Room['warn'], metrics: RouterMetrics, load: LoadTable): DirectoryEvents {
  return {
    onView: (view) => {
      if (view.isPd) sayDialect(warn, metrics, view);
      else metrics.noDialect(view.name);
      sayTimeout(warn, view);
    },
    onServerGone: (name) => metrics.noDialect(name),
    onRoutes: ({ badPatterns }) => {
      for (const { route, pattern, error } of badPatterns) {
        warn(
          `pattern ${route} ${pattern}`,
          `ModelRoute ${route}: regex ${pattern} matches nothing: ${error}; correct it`,
        );
      }
    },
    onPods: (uids) => load.keepOnly(uids),
  };
}

function sayDialect(warn: Room['warn'], metrics: RouterMetrics, { name, dialect }: ServerView): void {
  metrics.dialect(name, dialect.dialect, dialect.from);
  if (dialect.from === 'arguments' || dialect.from === 'nothing') {
    const advice = 'set spec.kvConnector.type to say it yourself';
    warn(
      `dialect ${name} ${dialect.dialect}`,
      `ModelServer ${name} is spoken to in ${dialect.dialect}: ${dialect.because}; ${advice}`,
    );
  }
}

function sayTimeout(warn: Room['warn'], { name, server }: ServerView): void {
  const text = server.spec.trafficPolicy?.timeout;
  const ms = parseDuration(text);
  if (text !== undefined && ms === undefined) {
    warn(
      `timeout ${name}`,
      `ModelServer ${name}: timeout ${text} is no duration and is not used; write for example 300s`,
    );
  } else if (ms !== undefined && ms > 0 && ms < shortTimeout) {
    const said = `ModelServer ${name}: timeout ${text} ends every request whose first byte takes longer`;
    warn(
      `timeout ${name}`,
      `${said}, which long prompts and answers that are not streamed do; raise it to 300s or more`,
    );
  }
}
