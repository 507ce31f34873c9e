import { Counter, Gauge, type Registry } from 'prom-client';
import type { PartitionRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { Logger } from '../lib/log.ts';
import { RecordLatency } from '../process/record-latency.ts';
import { whyOf } from './work-status.ts';
import type { BridgeReports, WaitReason } from './reports.ts';

/** As the log says it. A start needs Temporal and, where a chain begins, the range ledger; which of them is away is in the error. */
const waits: Record<WaitReason, string> = {
  none: 'waiting',
  scoring: 'waiting for the batch that is being scored',
  kafka: 'waiting for Kafka',
  temporal: 'waiting to start a batch',
  failing: 'waiting for a step that fails',
  paused: 'waiting, because somebody has paused it',
  no_worker: 'waiting for a worker',
  open_batches: 'waiting for open batches',
  halted: 'halted',
};
const logEveryMs = 10_000;

/** Turns what partitions report into metrics, and into log lines where an operator should know. */
export function createBridgeReports(
  registry: Registry,
  log: Logger,
): BridgeReports & { openBatches(pipeline: string, count: number): void } {
  const metric = createMetrics(registry);
  const lastLogMs = new Map<string, number>();
  const goesOn = (partition: PartitionRef) => {
    metric.halted.set(labels(partition), 0);
    metric.haltedOffset.remove(labels(partition));
  };

  return {
    scored(partition, { position, end, adopted }, recordTimesMs) {
      metric.records.inc(labels(partition), recordTimesMs.length);
      if (adopted) metric.adopted.inc(labels(partition));
      metric.latency.observe(partition.pipeline, recordTimesMs);
      log.debug({ ...labels(partition), position, end, adopted }, 'scored');
    },
    batch({ pipeline, topic }, chain, ms) {
      metric.batches.inc({ pipeline, topic, chain: String(chain) });
      metric.scoringSeconds.inc({ pipeline, topic, chain: String(chain) }, ms / 1_000);
    },
    notTaken({ pipeline, topic }, chain, sequence) {
      metric.notTaken.inc({ pipeline, topic, chain: String(chain) });
      log.error(
        { pipeline, topic, chain, sequence },
        'a batch of this number exists that does not begin where its partitions are: nothing of it is taken, and the next number is tried',
      );
    },
    lane: (partition, lane) => metric.laneBytes.set(labels(partition), lane.bytes),
    lost(partition, { from, to }) {
      metric.lost.inc(labels(partition), to - from);
      log.error(
        { ...labels(partition), from, to },
        'retention deleted records before they were read; raise the retention of the topic',
      );
    },
    halted(partition, reason, offset) {
      metric.halted.set(labels(partition), 1);
      if (offset !== undefined) metric.haltedOffset.set(labels(partition), offset);
      log.error({ ...labels(partition), offset }, `halted: ${reason}`);
    },
    waiting(partition, reason, error) {
      if (reason === 'none') goesOn(partition);
      const key = `${partition.pipeline} ${partition.partition} ${reason}`;
      if (error === undefined || performance.now() - (lastLogMs.get(key) ?? -Infinity) < logEveryMs) return;
      lastLogMs.set(key, performance.now());
      log.warn({ ...labels(partition) }, `${waits[reason]}: ${whyOf(error)}`);
    },
    commitFailed: (partition, offset, error) =>
      log.warn({ ...labels(partition), offset }, `commit failed, the next one will do: ${messageOf(error)}`),
    revoked(partition) {
      for (const gauge of [metric.laneBytes, metric.halted, metric.haltedOffset]) gauge.remove(labels(partition));
    },
    openBatches: (pipeline, count) => metric.openBatches.set({ pipeline }, count),
  };
}

function createMetrics(registry: Registry) {
  const registers = [registry];
  const byPartition = ['pipeline', 'topic', 'partition'] as const;
  const byChain = ['pipeline', 'topic', 'chain'] as const;
  return {
    records: new Counter({
      name: 'headrace_bridge_records_total',
      help: 'Records scored.',
      labelNames: byPartition,
      registers,
    }),
    batches: new Counter({
      name: 'headrace_bridge_batches_total',
      help: 'Batches scored.',
      labelNames: byChain,
      registers,
    }),
    scoringSeconds: new Counter({
      name: 'headrace_chain_scoring_seconds_total',
      help: 'Time in which a batch of the chain was being scored: its rate is the share of the time, and above 0.7 the topic needs more chains.',
      labelNames: byChain,
      registers,
    }),
    notTaken: new Counter({
      name: 'headrace_bridge_batches_not_taken_total',
      help: 'Batches found that do not begin where their partitions are.',
      labelNames: byChain,
      registers,
    }),
    adopted: new Counter({
      name: 'headrace_bridge_adopted_total',
      help: 'Ranges of batches found with another end than the lane had cut.',
      labelNames: byPartition,
      registers,
    }),
    latency: new RecordLatency('headrace_scored_latency', 'Record time to scored.', registry),
    laneBytes: new Gauge({
      name: 'headrace_lane_bytes',
      help: 'Bytes fetched and not scored yet.',
      labelNames: byPartition,
      registers,
    }),
    openBatches: new Gauge({
      name: 'headrace_open_batches',
      help: 'Batches whose deliveries are under way.',
      labelNames: ['pipeline'],
      registers,
    }),
    lost: new Counter({
      name: 'headrace_records_lost_total',
      help: 'Offsets that retention deleted before they were read.',
      labelNames: byPartition,
      registers,
    }),
    halted: new Gauge({
      name: 'headrace_chain_halted',
      help: '1 while a partition needs an operator.',
      labelNames: byPartition,
      registers,
    }),
    haltedOffset: new Gauge({
      name: 'headrace_chain_halted_offset',
      help: 'The offset at which a partition needs an operator.',
      labelNames: byPartition,
      registers,
    }),
  };
}

function labels({ pipeline, topic, partition }: PartitionRef) {
  return { pipeline, topic, partition: String(partition) };
}
