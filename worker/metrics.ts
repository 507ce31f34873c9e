import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ActivityReports } from '../scoring/ports.ts';
import { RecordLatency } from '../process/record-latency.ts';
import type { Logger } from '../lib/log.ts';
import { createHaltReports } from './halt-reports.ts';
import { createLateShare } from './late-share.ts';
import { Rarely } from './rarely.ts';

const stageSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

/** How often refusals of one code are told; metrics count all. */
const refusalsToldEveryMs = 60_000;

/** How often the log says that a fallback decides; the metric counts every event. */
const degradedEveryMs = 60_000;

/** Turns what the activities report into metrics. */
export function createActivityReports(registry: Registry, log: Logger): ActivityReports {
  const lateShare = createLateShare(log);
  const rarely = new Rarely(refusalsToldEveryMs);
  /** When each pipeline's log last said that its fallback decides. */
  const toldDegradedMs = new Map<string, number>();
  const metric = createMetrics(registry);
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
      log.warn(
        { pipeline, code },
        `the fallback decides in the model's place, and its decisions are marked degraded: ${reason}`,
      );
    },
    late(pipeline, { events, late, ahead }) {
      metric.late.inc({ pipeline }, late);
      metric.ahead.inc({ pipeline }, ahead);
      lateShare(pipeline, events, late);
    },
    rejected({ pipeline, topic }, rejections) {
      for (const { step, code, reason, partition, offset } of rejections) {
        metric.rejections.inc({ pipeline, step, code });
        rarely.happened(`${pipeline} ${code}`, 1, false, (count) => {
          const say = code === 'EVENT_TOO_FAR_AHEAD' ? log.error.bind(log) : log.warn.bind(log);
          say(
            { pipeline, topic, partition, offset, step, code, count },
            `${count === 1 ? 'a dead letter' : `${count} dead letters of a kind; the last one`}: ${reason}`,
          );
        });
      }
    },
    halted: createHaltReports(registry, log),
    delivery: (pipeline, sink, result) => metric.deliveries.inc({ pipeline, sink, result }),
    deliveredEverywhere: (pipeline, recordTimesMs) => metric.delivered.observe(pipeline, recordTimesMs),
    breaker: (pipeline, sink, open) => metric.breaker.set({ pipeline, sink }, open ? 1 : 0),
  };
}

function createMetrics(registry: Registry) {
  const registers = [registry];
  return {
    stage: new Histogram({
      name: 'headrace_stage_latency_seconds',
      help: 'Time a stage takes for one batch.',
      labelNames: ['pipeline', 'stage'],
      buckets: stageSeconds,
      registers,
    }),
    events: new Counter({
      name: 'headrace_events_total',
      help: 'Events decided.',
      labelNames: ['pipeline', 'outcome'],
      registers,
    }),
    degraded: new Counter({
      name: 'headrace_degraded_events_total',
      help: 'Events that the declared fallback decided, because the model was away or missing.',
      labelNames: ['pipeline', 'code'],
      registers,
    }),
    late: new Counter({
      name: 'headrace_late_events_total',
      help: 'Events decided that came too late for their windows.',
      labelNames: ['pipeline'],
      registers,
    }),
    ahead: new Counter({
      name: 'headrace_ahead_events_total',
      help: 'Events decided that lie so far ahead of their partition that its watermark does not follow them.',
      labelNames: ['pipeline'],
      registers,
    }),
    rejections: new Counter({
      name: 'headrace_rejections_total',
      help: 'Records that got a dead letter.',
      labelNames: ['pipeline', 'step', 'code'],
      registers,
    }),
    deliveries: new Counter({
      name: 'headrace_deliveries_total',
      help: 'Deliveries of one batch to one sink.',
      labelNames: ['pipeline', 'sink', 'result'],
      registers,
    }),
    delivered: new RecordLatency('headrace_delivered_latency', 'Record time to the last sink.', registry),
    breaker: new Gauge({
      name: 'headrace_sink_breaker_open',
      help: '1 while a sink fails, and next to no tries are made.',
      labelNames: ['pipeline', 'sink'],
      registers,
    }),
  };
}
