import { pino, type Logger } from 'pino';

export type { Logger };

/** The logger of a process: JSON lines on stderr, so that stdout stays free for what a process answers. */
export function createLogger(name: string, level: string): Logger {
  return pino({ name, level, base: { name }, timestamp: pino.stdTimeFunctions.isoTime, redact: ['password', 'key', '*.password', '*.key'] }, pino.destination({ dest: 2, sync: true }));
}
