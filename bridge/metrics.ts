import { Counter, Gauge, type Registry } from 'prom-client';
import type { Chain } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { Logger } from '../lib/log.ts';
import { RecordLatency } from '../process/record-latency.ts';
import { whyOf } from './partition-status.ts';
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
  const goesOn = (chain: Chain) => {
    metric.halted.set(labels(chain), 0);
    metric.haltedOffset.remove(labels(chain));
  };

  return {
    scored(chain, { position, end, adopted }, recordTimesMs) {
      metric.records.inc(labels(chain), recordTimesMs.length);
      metric.batches.inc(labels(chain));
      if (adopted) metric.adopted.inc(labels(chain));
      goesOn(chain);
      metric.latency.observe(chain.pipeline, recordTimesMs);
      log.debug({ ...labels(chain), position, end, adopted }, 'scored');
    },
    lane: (chain, lane) => metric.laneBytes.set(labels(chain), lane.bytes),
    lost(chain, { from, to }) {
      metric.lost.inc(labels(chain), to - from);
      log.error(
        { ...labels(chain), from, to },
        'retention deleted records before they were read; raise the retention of the topic',
      );
    },
    halted(chain, reason, offset) {
      metric.halted.set(labels(chain), 1);
      if (offset !== undefined) metric.haltedOffset.set(labels(chain), offset);
      log.error({ ...labels(chain), offset }, `halted: ${reason}`);
    },
    waiting(chain, reason, error) {
      if (reason === 'none') goesOn(chain);
      const key = `${chain.pipeline} ${chain.partition} ${reason}`;
      if (error === undefined || performance.now() - (lastLogMs.get(key) ?? -Infinity) < logEveryMs) return;
      lastLogMs.set(key, performance.now());
      log.warn({ ...labels(chain) }, `${waits[reason]}: ${whyOf(error)}`);
    },
    commitFailed: (chain, offset, error) =>
      log.warn({ ...labels(chain), offset }, `commit failed, the next one will do: ${messageOf(error)}`),
    revoked(chain) {
      for (const gauge of [metric.laneBytes, metric.halted, metric.haltedOffset]) gauge.remove(labels(chain));
    },
    openBatches: (pipeline, count) => metric.openBatches.set({ pipeline }, count),
  };
}

function createMetrics(registry: Registry) {
  const registers = [registry];
  const byPartition = ['pipeline', 'topic', 'partition'] as const;
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
      labelNames: byPartition,
      registers,
    }),
    adopted: new Counter({
      name: 'headrace_bridge_adopted_total',
      help: 'Batches found at a position with another end than the lane had cut.',
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

function labels({ pipeline, topic, partition }: Chain) {
  return { pipeline, topic, partition: String(partition) };
}
