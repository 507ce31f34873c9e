import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { Gauge, type Registry } from 'prom-client';
import { failures, type FailureCode } from '../contracts/failures.ts';

/** Durable steps are tried again within two minutes, maybe by another worker: what was not seen for this long is over. */
const overAfterMs = 5 * 60_000;

/**
 * Shows which steps of which pipelines fail because something is wrong for every record. Take the maximum over the workers. A delivery's step
 * is its sink.
 */
export function watchSystemicFailures(
  registry: Registry,
  nowMs: () => number = () => performance.now(),
): ActivityInterceptorsFactory {
  const seen = new Map<string, { labels: { pipeline: string; step: string; code: string }; atMs: number }>();
  new Gauge({
    name: 'headrace_systemic_failure',
    help: '1 while a step fails because something is wrong for every record; docs/failures.md says what to do about the code.',
    labelNames: ['pipeline', 'step', 'code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [key, { labels, atMs }] of seen) {
        if (nowMs() - atMs > overAfterMs) seen.delete(key);
        else this.set(labels, 1);
      }
    },
  });

  return ({ info: { activityType } }) => ({
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          const code = systemicCode(error);
          const [batch, target] = input.args as [{ pipeline?: unknown } | undefined, unknown];
          if (code && typeof batch?.pipeline === 'string') {
            const labels = {
              pipeline: batch.pipeline,
              step: activityType === 'deliver' ? String(target) : activityType,
              code,
            };
            seen.set(Object.values(labels).join(' '), { labels, atMs: nowMs() });
          }
          throw error;
        }
      },
    },
  });
}

function systemicCode(error: unknown): FailureCode | undefined {
  const code = error instanceof ApplicationFailure ? (error.type as FailureCode) : undefined;
  return code && Object.hasOwn(failures, code) && failures[code].kind === 'systemic' ? code : undefined;
}
