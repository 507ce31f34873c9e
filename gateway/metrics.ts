import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { GatewayApp } from './app.ts';
import type { SystemStanding } from '../status/standing.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import type { GaugeSources } from './gauge-sources.ts';
import { showStanding } from './standing-metrics.ts';
import type { PipelineCount } from '../kafka/topic-counts.ts';

/** How long a number that was read is shown again. */
const cacheMs = 2_000;
const readTimeoutMs = 2_000;

/** Counts the gateway's own requests, and shows the gauges that live in Postgres and Kafka. */
export function registerMetrics(
  app: GatewayApp,
  registry: Registry,
  sources: GaugeSources,
  standing: () => Promise<SystemStanding>,
  pipelines: readonly string[],
): { targetMissing: (target: string) => void } {
  const requests = new Counter({
    name: 'headrace_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['route', 'method', 'status'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'headrace_http_request_seconds',
    help: 'From request to answer.',
    labelNames: ['route'],
    registers: [registry],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    requests.inc({ route, method: request.method, status: reply.statusCode });
    seconds.observe({ route }, reply.elapsedTime / 1_000);
  });
  const failures = new Counter({
    name: 'headrace_gauge_failures_total',
    help: 'Numbers that could not be read from their server.',
    labelNames: ['gauge'],
    registers: [registry],
  });
  const readGauge = (name: string, help: string, read: () => Promise<PipelineCount[]>) => {
    let readAtMs = -Infinity;
    new Gauge({
      name,
      help,
      labelNames: ['pipeline'],
      registers: [registry],
      async collect() {
        if (performance.now() - readAtMs < cacheMs) return;
        readAtMs = performance.now();
        try {
          const counts = await withTimeout(readTimeoutMs, read());
          this.reset();
          // A pipeline without a row has none; without a figure, it is not known.
          for (const pipeline of pipelines) this.set({ pipeline }, 0);
          for (const { pipeline, count } of counts) {
            if (count !== undefined) this.set({ pipeline }, count);
            else this.remove({ pipeline });
          }
          if (counts.some(({ count }) => count === undefined)) failures.inc({ gauge: name });
        } catch {
          // A number that is not known is not shown: an old one would look like a healthy one.
          this.reset();
          failures.inc({ gauge: name });
        }
      },
    });
  };
  readGauge('headrace_reviews_open', 'Reviews that wait for a verdict.', () => sources.openReviews());
  readGauge('headrace_reviews_waiting', 'Reviews that wait to be opened.', () => sources.waitingReviews());
  readGauge('headrace_dead_letters', 'Dead letters in the topic.', () => sources.deadLetters());
  showStanding(registry, standing);
  const missing = new Counter({
    name: 'headrace_metrics_target_failures_total',
    help: 'Processes whose metrics could not be read.',
    labelNames: ['target'],
    registers: [registry],
  });
  return { targetMissing: (target) => missing.inc({ target }) };
}
