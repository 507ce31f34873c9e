import { makeTelemetryFilterString, Runtime, type Logger as TemporalLogger } from '@temporalio/worker';
import type { Logger } from '../lib/log.ts';

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Installs the SDK's runtime, once in a process, with its lines in our log. */
export function installRuntime(log: Logger): Runtime {
  return Runtime.install({
    logger: temporalLogger(log),
    // Signals are ours: the SDK's own handling would shut workers down beside `stop`.
    shutdownSignals: [],
    // The native part's lines become ours, too: it would colour its own.
    telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) } },
  });
}

/** The SDK tells of every start of a poller at level "info". */
function levelOf(level: Level): Level {
  return level === 'info' ? 'debug' : level;
}

function temporalLogger(log: Logger): TemporalLogger {
  const write = (level: Level, message: string, meta: Record<string, unknown> = {}) => {
    // What is the same in every line, or of use to nobody but the SDK, would only bury the rest.
    const { error, taskToken: _, namespace: __, taskQueue: ___, sdkComponent: ____, ...fields } = meta;
    log[levelOf(level)](error === undefined ? fields : { ...fields, err: error }, message);
  };
  const at = (level: Level) => (message: string, meta?: object) =>
    write(level, message, meta as Record<string, unknown>);
  return {
    log: (level, message, meta) => write(level.toLowerCase() as Level, message, meta as Record<string, unknown>),
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}
