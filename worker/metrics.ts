import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ActivityReports } from '../activities/ports.ts';
import type { Logger } from '../runtime/log.ts';

const stageSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
const latencySeconds = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** How often the log says that a fallback decides; the metric counts every event. */
const degradedEveryMs = 60_000;

/** Turns what the activities report into metrics. */
export function createActivityReports(registry: Registry, log: Logger): ActivityReports {
  const told = new Set<string>();
  /** When each pipeline's log last said that its fallback decides. */
  const toldDegradedMs = new Map<string, number>();
  const registers = [registry];
  const metric = {
    stage: new Histogram({ name: 'headrace_stage_latency_seconds', help: 'Time a stage takes for one batch.', labelNames: ['pipeline', 'stage'], buckets: stageSeconds, registers }),
    events: new Counter({ name: 'headrace_events_total', help: 'Events decided.', labelNames: ['pipeline', 'outcome'], registers }),
    degraded: new Counter({ name: 'headrace_degraded_events_total', help: 'Events that the declared fallback decided, because the model was away or missing.', labelNames: ['pipeline', 'code'], registers }),
    late: new Counter({ name: 'headrace_late_events_total', help: 'Events decided that came too late for their windows.', labelNames: ['pipeline'], registers }),
    rejections: new Counter({ name: 'headrace_rejections_total', help: 'Records that got a dead letter.', labelNames: ['pipeline', 'step', 'code'], registers }),
    deliveries: new Counter({ name: 'headrace_deliveries_total', help: 'Deliveries of one batch to one sink.', labelNames: ['pipeline', 'sink', 'result'], registers }),
    delivered: new Histogram({ name: 'headrace_delivered_latency_seconds', help: 'Record time to the last sink.', labelNames: ['pipeline'], buckets: latencySeconds, registers }),
    breaker: new Gauge({ name: 'headrace_sink_breaker_open', help: '1 while a sink fails, and next to no tries are made.', labelNames: ['pipeline', 'sink'], registers }),
  };
  return {
    stage: (pipeline, stage, seconds) => metric.stage.observe({ pipeline, stage }, seconds),
    decided(pipeline, outcomeCounts) {
      for (const [outcome, count] of Object.entries(outcomeCounts)) metric.events.inc({ pipeline, outcome }, count);
    },
    degraded(pipeline, count, code, reason) {
      metric.degraded.inc({ pipeline, code }, count);
      const nowMs = Date.now();
      if (nowMs - (toldDegradedMs.get(pipeline) ?? -Infinity) < degradedEveryMs) return;
      toldDegradedMs.set(pipeline, nowMs);
      log.warn({ pipeline, code }, `the fallback decides in the model's place, and its decisions are marked degraded: ${reason}`);
    },
    late: (pipeline, count) => metric.late.inc({ pipeline }, count),
    rejected(pipeline, rejections) {
      for (const { step, code, reason } of rejections) {
        metric.rejections.inc({ pipeline, step, code });
        if (told.has(`${pipeline} ${code}`)) continue;
        told.add(`${pipeline} ${code}`);
        log.warn({ pipeline, step, code }, `the first dead letter of its kind: ${reason}`);
      }
    },
    delivery: (pipeline, sink, result) => metric.deliveries.inc({ pipeline, sink, result }),
    deliveredEverywhere(pipeline, recordTimesMs) {
      const nowMs = Date.now();
      for (const timeMs of recordTimesMs) metric.delivered.observe({ pipeline }, Math.max(0, nowMs - timeMs) / 1_000);
    },
    breaker: (pipeline, sink, open) => metric.breaker.set({ pipeline, sink }, open ? 1 : 0),
  };
}
