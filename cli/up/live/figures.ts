import type { Snapshot } from './history.ts';
import type { Sample } from './metrics.ts';
import { quantile } from './quantile.ts';

/** A pair of quantiles in milliseconds; undefined when nothing was observed in the window. */
export interface Latency {
  p50Ms: number;
  p99Ms: number;
}

/** What the live line shows. */
export interface Figures {
  eventsPerSecond: number;
  /** Record time to decision in history. */
  scored?: Latency;
  /** Record time to delivered by all sinks. */
  delivered?: Latency;
  /** What the log holds beyond what is done; absent when that of a partition is not known. */
  lagRecords?: number;
  /** Age of the oldest record that waits; absent when none is known. */
  oldestSeconds?: number;
  /** Share of the window's events that came too late for their windows. */
  lateShare?: number;
  /** By name. */
  pipelines: Record<string, PipelineFigures>;
  /** Partitions that wait, by reason. */
  waiting: Record<string, number>;
  eventsTotal: number;
}

/** What is counted for each pipeline. */
export interface PipelineFigures {
  /** Decisions of this session by outcome. */
  outcomes: Record<string, number>;
  /** Events of this session that came too late for their windows; undefined while nobody has counted. */
  late?: number;
  /** What is absent is not known. */
  deadLetters?: number;
  reviewsOpen?: number;
  /** Reviews that wait to be opened. */
  reviewsWaiting?: number;
}

function samplesOf(snapshot: Snapshot, name: string): Sample[] {
  return [...snapshot.totals.values()].filter((sample) => sample.name === name);
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, sample) => total + sample.value, 0);
}

function sumBy(samples: readonly Sample[], label: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { labels, value } of samples) {
    const key = labels[label] ?? '';
    sums[key] = (sums[key] ?? 0) + value;
  }
  return sums;
}

function latencyOf(oldest: Snapshot, newest: Snapshot, histogram: string): Latency | undefined {
  const before = sumBy(samplesOf(oldest, `${histogram}_bucket`), 'le');
  const buckets = Object.entries(sumBy(samplesOf(newest, `${histogram}_bucket`), 'le')).map(([le, count]) => ({
    upTo: le === '+Inf' ? Infinity : Number(le),
    count: count - (before[le] ?? 0),
  }));
  const p50 = quantile(buckets, 0.5);
  const p99 = quantile(buckets, 0.99);
  return p50 === undefined || p99 === undefined ? undefined : { p50Ms: p50 * 1_000, p99Ms: p99 * 1_000 };
}

/** Figures of the window between two snapshots; totals are those of the newest. */
export function figuresOf(oldest: Snapshot, newest: Snapshot): Figures {
  const events = samplesOf(newest, 'headrace_events_total');
  const seconds = (newest.atMs - oldest.atMs) / 1_000;
  const waiting = samplesOf(newest, 'headrace_bridge_waiting').filter(
    (sample) => sample.value > 0 && !['scoring', 'none'].includes(sample.labels['reason'] ?? ''),
  );
  return {
    eventsPerSecond: (sum(events) - sum(samplesOf(oldest, 'headrace_events_total'))) / seconds,
    scored: latencyOf(oldest, newest, 'headrace_scored_latency_seconds'),
    delivered: latencyOf(oldest, newest, 'headrace_delivered_latency_seconds'),
    lagRecords: lagOf(newest),
    oldestSeconds: max(samplesOf(newest, 'headrace_oldest_waiting_record_seconds')),
    lateShare: shareOf(
      sum(samplesOf(newest, 'headrace_late_events_total')) - sum(samplesOf(oldest, 'headrace_late_events_total')),
      sum(events) - sum(samplesOf(oldest, 'headrace_events_total')),
    ),
    pipelines: pipelinesOf(newest),
    waiting: sumBy(waiting, 'reason'),
    eventsTotal: sum(events),
  };
}

function max(samples: readonly Sample[]): number | undefined {
  return samples.length === 0 ? undefined : Math.max(...samples.map(({ value }) => value));
}

function shareOf(part: number, all: number): number | undefined {
  return all > 0 ? part / all : undefined;
}

/** A bridge that does not answer, or a log whose end nobody knows, leaves it open. */
function lagOf(newest: Snapshot): number | undefined {
  const lags = samplesOf(newest, 'headrace_lag_records');
  return lags.length === 0 || lags.length < samplesOf(newest, 'headrace_log_end_known').length ? undefined : sum(lags);
}

const countedMetrics = {
  events: 'headrace_events_total',
  late: 'headrace_late_events_total',
  deadLetters: 'headrace_dead_letters',
  open: 'headrace_reviews_open',
  waiting: 'headrace_reviews_waiting',
} as const;

const known = (samples: readonly Sample[]) => (samples.length === 0 ? undefined : sum(samples));

function pipelineOf({ labels }: Sample): string {
  return labels['pipeline'] ?? '';
}

function pipelinesOf(newest: Snapshot): Record<string, PipelineFigures> {
  const names = new Set(Object.values(countedMetrics).flatMap((metric) => samplesOf(newest, metric).map(pipelineOf)));
  return Object.fromEntries(
    [...names].map((name) => {
      const samples = (metric: keyof typeof countedMetrics) =>
        samplesOf(newest, countedMetrics[metric]).filter((sample) => pipelineOf(sample) === name);
      const late = samples('late');
      return [
        name,
        {
          outcomes: sumBy(samples('events'), 'outcome'),
          late: known(late),
          deadLetters: known(samples('deadLetters')),
          reviewsOpen: known(samples('open')),
          reviewsWaiting: known(samples('waiting')),
        },
      ];
    }),
  );
}
