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
  lagRecords: number;
  /** Decisions of this session by outcome. */
  outcomes: Record<string, number>;
  deadLetters: number;
  reviewsOpen: number;
  /** Partitions that wait, by reason. */
  waiting: Record<string, number>;
  eventsTotal: number;
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
    upTo: le === '+Inf' ? Infinity : Number(le), count: count - (before[le] ?? 0),
  }));
  const p50 = quantile(buckets, 0.5);
  const p99 = quantile(buckets, 0.99);
  return p50 === undefined || p99 === undefined ? undefined : { p50Ms: p50 * 1_000, p99Ms: p99 * 1_000 };
}

/** Figures of the window between two snapshots; totals are those of the newest. */
export function figuresOf(oldest: Snapshot, newest: Snapshot): Figures {
  const events = samplesOf(newest, 'headrace_events_total');
  const seconds = (newest.atMs - oldest.atMs) / 1_000;
  const waiting = samplesOf(newest, 'headrace_bridge_waiting').filter((sample) => sample.value > 0 && sample.labels['reason'] !== 'none');
  return {
    eventsPerSecond: (sum(events) - sum(samplesOf(oldest, 'headrace_events_total'))) / seconds,
    scored: latencyOf(oldest, newest, 'headrace_scored_latency_seconds'),
    delivered: latencyOf(oldest, newest, 'headrace_delivered_latency_seconds'),
    lagRecords: sum(samplesOf(newest, 'headrace_lag_records')),
    outcomes: sumBy(events, 'outcome'),
    deadLetters: sum(samplesOf(newest, 'headrace_dead_letters')),
    reviewsOpen: sum(samplesOf(newest, 'headrace_reviews_open')),
    waiting: sumBy(waiting, 'reason'),
    eventsTotal: sum(events),
  };
}
