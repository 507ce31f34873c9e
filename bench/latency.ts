import type { SentEvent } from './open-loop.ts';
import { actionsPerBatch } from './actions.ts';
import { allBatches } from './batch-runs.ts';
import type { Bench, BenchContext } from './context.ts';
import { quantile, type Figure } from './figures.ts';
import { sendOnSchedule } from './open-loop.ts';
import { loadAverage, UsageProbe } from './process-usage.ts';
import { startServers, temporalBytes } from './servers.ts';
import { BenchSystem } from './system.ts';
import { poll } from './poll.ts';

/** What is compiled and connected in the first seconds is no part of the steady state. */
const warmUpSeconds = 5;
const drainMsMax = 120_000;
const partitionsMeasured = [1, 4, 16];

/** A range of offsets, and when it was done. */
export interface DoneRange {
  partition: number;
  position: number;
  end: number;
  doneMs: number;
}

/** How long events take at a steady rate. The next event is sent when it is due, however long the earlier ones take. */
export const latency: Bench = {
  name: 'latency',
  what: 'record time to scored and to all sinks at a steady rate, exact samples',
  async run(context) {
    const figures: Figure[] = [];
    for (const partitions of context.partitions ?? partitionsMeasured)
      figures.push(...(await measureLatency(context, partitions)));
    return [...figures, { name: 'load of the machine at the end (1 min)', value: loadAverage(), unit: '' }];
  },
};

async function measureLatency(context: BenchContext, partitions: number): Promise<Figure[]> {
  const { rate, seconds, tell } = context;
  const servers = await startServers(context, ['temporal', 'kafka', 'postgres', 'model-server']);
  let system: BenchSystem | undefined;
  try {
    system = await BenchSystem.prepare(context, servers, { topic: `bench-latency-${partitions}`, partitions });
    await system.start('worker');
    // The bridge tells of each scored batch at this level, with its range.
    await system.start('bridge', { HEADRACE_LOG_LEVEL: 'debug' });
    const databaseBefore = temporalBytes(servers);
    const usage = new UsageProbe(system.pids);
    const sent = await sendOnSchedule(context, system, rate, seconds + warmUpSeconds).finally(() => usage.stop());
    const cores = [...usage.stop().cpuMicros].map(([name, micros]) => ({
      name: `${partitions} partitions, ${rate} events/s: CPU of ${name}`,
      value: micros / ((seconds + warmUpSeconds) * 1e6),
      unit: 'cores',
    }));
    const steady = sent.slice(rate * warmUpSeconds);
    await untilScored(system, sent);
    const scored = latencies(steady, scoredRanges(system.logLines('bridge')));
    const batches = await allBatches(system.temporal, sent.length, drainMsMax);
    const delivered = latencies(
      steady,
      batches.flatMap(({ ranges, closedMs }) => ranges.map((range) => ({ ...range, doneMs: closedMs }))),
    );
    const databaseBytes = temporalBytes(servers) - databaseBefore;
    tell(`${partitions} partitions: ${steady.length} samples`);
    const under = `${partitions} partitions, ${rate} events/s`;
    return [
      { name: `${under}: scored, p50`, value: quantile(scored, 0.5), unit: 'ms' },
      { name: `${under}: scored, p99`, value: quantile(scored, 0.99), unit: 'ms' },
      { name: `${under}: scored, worst`, value: quantile(scored, 1), unit: 'ms' },
      { name: `${under}: all sinks, run completed, p50`, value: quantile(delivered, 0.5), unit: 'ms' },
      { name: `${under}: all sinks, run completed, p99`, value: quantile(delivered, 0.99), unit: 'ms' },
      { name: `${under}: all sinks, run completed, worst`, value: quantile(delivered, 1), unit: 'ms' },
      { name: `${under}: batches`, value: batches.length / (seconds + warmUpSeconds), unit: '1/s' },
      {
        name: `${under}: Temporal Actions`,
        value: ((await actionsPerBatch(system.temporal, batches)) * batches.length) / sent.length,
        unit: '1/event',
      },
      {
        name: `${under}: growth of Temporal's database`,
        value: databaseBytes / 1_024 / sent.length,
        unit: 'KiB/event',
      },
      {
        name: `${under}: extracting features, mean`,
        value: await stageMs(system, 'extract_features'),
        unit: 'ms/batch',
      },
      { name: `${under}: inference and decisions, mean`, value: await stageMs(system, 'infer'), unit: 'ms/batch' },
      ...cores,
    ];
  } finally {
    await system?.stop();
    await servers.stop();
  }
}

/** How long a stage took for one batch, on average. */
async function stageMs(system: BenchSystem, stage: string): Promise<number> {
  const metric = 'headrace_stage_latency_seconds';
  return (
    ((await system.metric('worker', `${metric}_sum`, { stage })) /
      (await system.metric('worker', `${metric}_count`, { stage }))) *
    1_000
  );
}

/** The scored batches that the bridge logged. */
export function scoredRanges(lines: readonly Record<string, unknown>[]): DoneRange[] {
  return lines
    .filter(({ msg }) => msg === 'scored')
    .map(({ partition, position, end, time }) => ({
      partition: Number(partition),
      position: Number(position),
      end: Number(end),
      doneMs: Date.parse(String(time)),
    }));
}

/** For each event the time from when it was due to when its range was done. Throws when one is in no range. */
export function latencies(events: readonly SentEvent[], ranges: readonly DoneRange[]): Float64Array {
  const byPartition = new Map<number, DoneRange[]>();
  for (const range of ranges.toSorted((a, b) => a.position - b.position))
    byPartition.set(range.partition, [...(byPartition.get(range.partition) ?? []), range]);
  return Float64Array.from(events, ({ partition, offset, dueMs }) => {
    const range = byPartition.get(partition)?.find(({ position, end }) => offset >= position && offset < end);
    if (!range) throw new Error(`the event at offset ${offset} of partition ${partition} is in no finished batch`);
    return range.doneMs - dueMs;
  });
}

async function untilScored(system: BenchSystem, sent: readonly SentEvent[]): Promise<void> {
  await poll(
    'all events are scored',
    drainMsMax,
    async () => (await system.metric('bridge', 'headrace_bridge_records_total')) >= sent.length,
  );
}
