import { pino, type DestinationStream, type LogFn, type Logger } from 'pino';
import { framesOf, messageOf } from './error-text.ts';

export type { Logger };

/** The logger of a process: JSON lines on stderr, so that stdout stays free for what a process answers. */
export function createLogger(
  name: string,
  level: string,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  const options = {
    name,
    level,
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['password', 'key', '*.password', '*.key'],
    serializers: { err: errorFields, error: errorFields },
    hooks: {
      logMethod(this: Logger, line: Parameters<LogFn>, method: LogFn) {
        method.apply(this, withMessage(line));
      },
    },
  };
  return pino(options, destination);
}

/** A line that has an error and no text would get the error's own. */
function withMessage(line: Parameters<LogFn>): Parameters<LogFn> {
  const [first, text] = line as unknown[];
  const error = first instanceof Error ? first : (first as { err?: unknown } | undefined)?.err;
  if (text !== undefined || !(error instanceof Error)) return line;
  return [first instanceof Error ? { err: first } : first, messageOf(error)] as unknown as Parameters<LogFn>;
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
