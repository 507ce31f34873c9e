import { eventKeyHeader } from '../../../contracts/names.ts';
import { openBatches, readTopic } from '../../live/collect.ts';
import { median } from '../statistics.ts';
import type { Row, RowContext } from '../row.ts';

const beforeMs = 20_000;
/** How much longer than before it may take to the other sinks; and what is less than anybody can tell on a busy machine. */
const latencyFactorMax = 1.1;
const latencyFloorMs = 20;
/** The count comes from visibility every 2 s, and two bridges start batches meanwhile. */
const openBeyond = 60;

/** Postgres is away for so long that the limit of open runs is reached. Few batches a second, so that the machine is not the limit. */
function sinkDownRow(name: string, seconds: number, { openMax, batchesPerSecond }: { openMax: number; batchesPerSecond: number }): Row {
  return {
    name,
    about: `Postgres is away for ${seconds} s: the other sinks go on, no more than ${latencyFactorMax} times as slow as before, until ${openMax} runs are open, and then Kafka holds the backlog`,
    needs: { env: { HEADRACE_OPEN_BATCHES_MAX: String(openMax), HEADRACE_BATCHES_PER_SECOND: String(batchesPerSecond) } },
    async run(context) {
      const { system } = context;
      const { proxy } = system.servers.postgres;
      await context.recovered();
      const fromMs = Date.now();
      await context.pause(beforeMs);
      const awayMs = Date.now();
      await proxy.set({ kind: 'refuse' });
      context.fault(`postgres: refuse for ${seconds} s`);
      let openMost = 0;
      let fullMs = Infinity;
      while (Date.now() < awayMs + seconds * 1_000) {
        const open = await openBatches(system);
        openMost = Math.max(openMost, open);
        if (open >= openMax) fullMs = Math.min(fullMs, Date.now());
        await context.pause(500);
      }
      await proxy.heal();
      await context.recovered(seconds * 1_000);
      context.mustHappen('so many runs were open that the limit mattered', openMost, openMax);
      if (openMost > openMax + openBeyond) context.problems.push(`${openMost} runs were open, far above the limit of ${openMax}`);
      await compareLatencies(context, fromMs, awayMs, fullMs);
    },
  };
}

export const sinkDown = sinkDownRow('sink-down', 75, { openMax: 300, batchesPerSecond: 3 });
export const sinkDownLong = sinkDownRow('sink-down-5m', 300, { openMax: 1_000, batchesPerSecond: 2 });

/** Of records that came before Postgres went away, and of those that came while it was away and runs could still be opened. */
async function compareLatencies(context: RowContext, fromMs: number, awayMs: number, fullMs: number): Promise<void> {
  // What came just before the limit was reached waits for it.
  const [before, during] = [await decisionLatencies(context, fromMs, awayMs), await decisionLatencies(context, awayMs, fullMs - 3_000)];
  const [beforeMedianMs, duringMedianMs] = [median(before), median(during)];
  context.log(`median latency of the decisions topic: ${beforeMedianMs} ms before, ${duringMedianMs} ms while Postgres was away`);
  context.mustHappen('other sinks got decisions before', before.length, 2_000);
  context.mustHappen('other sinks got decisions meanwhile', during.length, 2_000);
  const mostMs = Math.max(beforeMedianMs * latencyFactorMax, beforeMedianMs + latencyFloorMs);
  if (!(duringMedianMs <= mostMs)) context.problems.push(`the other sinks got decisions after ${duringMedianMs} ms, and after ${beforeMedianMs} ms before the outage`);
}

/** Time from a record to its decision in the decisions topic, in milliseconds, of records that came in `[fromMs, toMs)`. */
async function decisionLatencies({ system }: RowContext, fromMs: number, toMs: number): Promise<number[]> {
  const cameMs = new Map<string, number>();
  for (const [partition, records] of await readTopic(system, system.topic)) for (const { offset, timestampMs } of records) cameMs.set(`${partition}:${offset}`, timestampMs);
  const latencies: number[] = [];
  const seen = new Set<string>();
  for (const records of (await readTopic(system, `${system.name}.decisions`)).values()) {
    for (const { headers, timestampMs } of records) {
      const key = headers[eventKeyHeader]!;
      // A repeat, which at-least-once allows, says nothing of how long the first one took.
      if (seen.has(key)) continue;
      seen.add(key);
      const came = cameMs.get(key.split(':').slice(-2).join(':'))!;
      if (came >= fromMs && came < toMs) latencies.push(timestampMs - came);
    }
  }
  return latencies;
}
