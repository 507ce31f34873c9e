import { eventKeyHeader } from '../../../contracts/names.ts';
import { openBatches, readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import { median } from '../statistics.ts';
import type { Row, RowContext } from '../row.ts';

/** How long is looked at what is usual, before and after the outage: a machine may have been busy with other things in one of them. */
const usualMs = 20_000;
/** How much longer than usual it may take to the other sinks; and what is less than anybody can tell on a busy machine. */
const latencyFactorMax = 1.1;
const latencyFloorMs = 20;
/** The count comes from visibility every 2 s, and two bridges start batches meanwhile. */
const openBeyond = 60;

/** Postgres is away for so long that the limit of open runs is reached. Few batches a second, so that the machine is not the limit. */
function sinkDownRow(name: string, seconds: number, { openMax, batchesPerSecond }: { openMax: number; batchesPerSecond: number }): Row {
  return {
    name,
    about: `Postgres is away for ${seconds} s: the other sinks go on, no more than ${latencyFactorMax} times as slow as usual (or ${latencyFloorMs} ms slower, where that is more), until ${openMax} runs are open, and then Kafka holds the backlog`,
    needs: { env: { HEADRACE_OPEN_BATCHES_MAX: String(openMax), HEADRACE_BATCHES_PER_SECOND: String(batchesPerSecond) } },
    async run(context) {
      const { system } = context;
      const { proxy } = system.servers.postgres;
      await context.recovered();
      const fromMs = Date.now();
      await context.pause(usualMs);
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
      await until('what waited is delivered', async () => (await openBatches(system)) < 5, { timeoutMs: 90_000, everyMs: 500 });
      const backMs = Date.now();
      await context.pause(usualMs);
      // What came just before the limit was reached waits for it.
      await compareLatencies(context, [[fromMs, awayMs], [backMs, Date.now()]], [awayMs, fullMs - 3_000]);
    },
  };
}

export const sinkDown = sinkDownRow('sink-down', 75, { openMax: 200, batchesPerSecond: 2 });
export const sinkDownLong = sinkDownRow('sink-down-5m', 300, { openMax: 500, batchesPerSecond: 1 });

/** From a time to a time, the latter exclusive. */
type Span = [fromMs: number, toMs: number];

/** Of records that came when all was well, and of those that came while Postgres was away and runs could still be opened. */
async function compareLatencies(context: RowContext, usual: readonly Span[], away: Span): Promise<void> {
  const latencies = await decisionLatencies(context);
  const within = (spans: readonly Span[]) => latencies.filter(({ cameMs }) => spans.some(([fromMs, toMs]) => cameMs >= fromMs && cameMs < toMs)).map(({ latencyMs }) => latencyMs);
  const [usually, meanwhile] = [within(usual), within([away])];
  const [usuallyMs, meanwhileMs] = [median(usually), median(meanwhile)];
  context.log(`median latency of the decisions topic: ${usual.map((span) => median(within([span]))).join(' ms before and ')} ms after, together ${usuallyMs} ms; ${meanwhileMs} ms while Postgres was away`);
  context.mustHappen('other sinks got decisions as usual', usually.length, 4_000);
  context.mustHappen('other sinks got decisions meanwhile', meanwhile.length, 2_000);
  const mostMs = Math.max(usuallyMs * latencyFactorMax, usuallyMs + latencyFloorMs);
  if (!(meanwhileMs <= mostMs)) context.problems.push(`the other sinks got decisions after ${meanwhileMs} ms, and after ${usuallyMs} ms when Postgres was there`);
}

/** Time from each record to its decision in the decisions topic. */
async function decisionLatencies({ system }: RowContext): Promise<{ cameMs: number; latencyMs: number }[]> {
  const came = new Map<string, number>();
  for (const [partition, records] of await readTopic(system, system.topic)) for (const { offset, timestampMs } of records) came.set(`${partition}:${offset}`, timestampMs);
  const latencies: { cameMs: number; latencyMs: number }[] = [];
  const seen = new Set<string>();
  for (const records of (await readTopic(system, `${system.name}.decisions`)).values()) {
    for (const { headers, timestampMs } of records) {
      const key = headers[eventKeyHeader]!;
      // A repeat, which at-least-once allows, says nothing of how long the first one took.
      if (seen.has(key)) continue;
      seen.add(key);
      const cameMs = came.get(key.split(':').slice(-2).join(':'))!;
      latencies.push({ cameMs, latencyMs: timestampMs - cameMs });
    }
  }
  return latencies;
}
