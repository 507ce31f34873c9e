import { pino, type Logger } from 'pino';
import { framesOf, messageOf } from '../contracts/error-text.ts';

export type { Logger };

/** The logger of a process: JSON lines on stderr, so that stdout stays free for what a process answers. */
export function createLogger(name: string, level: string): Logger {
  const options = {
    name, level, base: { name }, timestamp: pino.stdTimeFunctions.isoTime, redact: ['password', 'key', '*.password', '*.key'],
    serializers: { err: errorFields, error: errorFields },
  };
  return pino(options, pino.destination({ dest: 2, sync: true }));
}

/** How far the causes of an error are followed. */
const causesMax = 5;

/** What a line says of an error: pino itself would write all its fields, among them the row that Postgres quotes in `detail`. */
function errorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { name, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    type: name,
    message: messageOf(error),
    ...(typeof code === 'string' ? { code } : {}),
    stack: framesOf(error),
    ...(cause instanceof Error && depth < causesMax ? { cause: errorFields(cause, depth + 1) } : {}),
  };
}
