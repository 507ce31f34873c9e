import { fullMessageOf, isPostgresError, messageOf } from '../lib/error-text.ts';
import { directHosts } from '../lib/proxies.ts';
import { ConfigError, parseConfig, type Config } from '../contracts/schemas/config.ts';
import { PipelineDefinitionError } from '../pipelines/define.ts';
import { createLogger, type Logger } from '../lib/log.ts';
import { stopping } from '../contracts/timeouts.ts';

/** A running process: what it prints when ready, and how it stops. */
export interface RunningProcess {
  /** Printed as one JSON line on stdout, with `"ready": true`. */
  ready: Record<string, unknown>;
  /** Finishes what is under way; must end within the grace time. */
  stop(): Promise<void>;
  /** Ends the process with an error when it rejects; resolves never or on a clean end. */
  failed?: Promise<never>;
}

/**
 * The frame of every main: reads the configuration, starts, says so, and stops on SIGTERM or SIGINT. A failure to start is one
 * clear sentence and exit code 1; the stack is shown only at log level debug or below.
 */
export async function runMain(
  name: string,
  start: (config: Config, log: Logger) => Promise<RunningProcess>,
): Promise<void> {
  let verbose = false;
  try {
    const config = parseConfig(process.env);
    Object.assign(
      process.env,
      directHosts(
        process.env,
        config.metrics.targets.map((target) => target.replace(/:\d+$/, '')),
      ),
    );
    verbose = config.logLevel === 'debug' || config.logLevel === 'trace';
    const log = createLogger(name, config.logLevel);
    const stopRequested = new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    });
    const running = await start(config, log);
    process.stdout.write(`${JSON.stringify({ ready: true, ...running.ready })}\n`);
    await (running.failed ? Promise.race([stopRequested, running.failed]) : stopRequested);
    setTimeout(() => {
      log.error(`did not stop within ${stopping.processMs} ms; leaving the rest to the next start`);
      process.exit(1);
    }, stopping.processMs).unref();
    await running.stop();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${name}: ${describe(error, verbose)}\n`);
    process.exit(1);
  }
}

function describe(error: unknown, verbose: boolean): string {
  if (!(error instanceof Error)) return fullMessageOf(error);
  if (isPostgresError(error)) return messageOf(error);
  const expected = error instanceof ConfigError || error instanceof PipelineDefinitionError;
  return verbose && !expected ? (error.stack ?? fullMessageOf(error)) : fullMessageOf(error);
}
