import { type Logger, pino } from 'pino';
import { isoTime } from './iso-time.js';
import { writeLog } from './standard-error.js';

export type { Logger };
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** One JSON line per entry on stderr: stdout belongs to what a command prints. */
export function createLogger(name: string, level: LogLevel = 'info'): Logger {
  return pino(
    {
      name,
      level,
      base: { part: name },
      timestamp: () => `,"time":"${isoTime(Date.now())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: writeLog },
  );
}

/** For tests and for parts that are silent by choice. */
export const silentLogger: Logger = pino({ level: 'silent' });

/** Logs a message once per key and counts every occurrence: how a fallback is announced. */
export function once(
  logger: Logger,
  limit = 1000,
): (key: string, message: string, fields?: Record<string, unknown>) => void {
  const seen = new Set<string>();
  return (key, message, fields = {}) => {
    if (seen.has(key) || seen.size >= limit) return;
    seen.add(key);
    logger.warn({ key, ...fields }, message);
  };
}
