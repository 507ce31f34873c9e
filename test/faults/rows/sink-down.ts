import { eventKeyHeader } from '../../../contracts/names.ts';
import { lakeRows, openBatches, readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import { percentile } from '../statistics.ts';
import type { Row, RowContext } from '../row.ts';

/** How long is looked at what is usual, before and after the outage: a machine may have been busy with other things in one of them. */
const usualMs = 30_000;
/** How much longer than usual it may take to the other sinks; and what is less than anybody can tell on a busy machine. */
const latencyFactorMax = 1.1;
const latencyFloorMs = 20;
/** The count comes from visibility every 2 s, and two bridges start batches meanwhile. */
const openBeyond = 60;
const openMaxByDefault = 10_000;

const slower = `no more than ${latencyFactorMax} times as slow as usual (or ${latencyFloorMs} ms slower, where that is more)`;

/** Postgres is away: how many runs were open at most, and from when on there were `openMax`. */
async function outage(context: RowContext, seconds: number, openMax: number): Promise<{ openMost: number; fullMs: number }> {
  const { proxy } = context.system.servers.postgres;
  const awayMs = Date.now();
  await proxy.set({ kind: 'refuse' });
  context.fault(`postgres: refuse for ${seconds} s`);
  let openMost = 0;
  let fullMs = Infinity;
  while (Date.now() < awayMs + seconds * 1_000) {
    const open = await openBatches(context.system);
    openMost = Math.max(openMost, open);
    if (open >= openMax) fullMs = Math.min(fullMs, Date.now());
    await context.pause(500);
  }
  return { openMost, fullMs };
}

/** Postgres comes back, and everything that waited for it is delivered. */
async function healed(context: RowContext, seconds: number): Promise<void> {
  await context.system.servers.postgres.proxy.heal();
  await context.recovered(seconds * 1_000);
  await until('what waited is delivered', async () => (await openBatches(context.system)) < 5, { timeoutMs: 2 * seconds * 1_000, everyMs: 500 });
}

/** Few batches a second, so that the machine is not the limit. */
export const sinkDown: Row = {
  name: 'sink-down',
  about: `Postgres is away for 75 s: the other sinks go on, ${slower}, until 200 runs are open, and then Kafka holds the backlog`,
  needs: { env: { HEADRACE_OPEN_BATCHES_MAX: '200', HEADRACE_BATCHES_PER_SECOND: '2' } },
  async run(context) {
    await context.recovered();
    const fromMs = Date.now();
    await context.pause(usualMs);
    const awayMs = Date.now();
    const { openMost, fullMs } = await outage(context, 75, 200);
    await healed(context, 75);
    context.mustHappen('so many runs were open that the limit mattered', openMost, 200);
    if (openMost > 200 + openBeyond) context.problems.push(`${openMost} runs were open, far above the limit of 200`);
    const backMs = Date.now();
    await context.pause(usualMs);
    // What came just before the limit was reached waits for it.
    await compareLatencies(context, [[fromMs, awayMs], [backMs, Date.now()]], [awayMs, fullMs - 3_000]);
  },
};

/** With the limit of any system, and at a pace that leaves the machine room: two bridges, two workers and all servers share it. */
export const sinkDownLong: Row = {
  name: 'sink-down-5m',
  about: `Postgres is away for 5 minutes: the other sinks go on all the time, ${slower}, and the lake has what came; afterwards everything is delivered`,
  needs: { env: { HEADRACE_BATCHES_PER_SECOND: '4' } },
  async run(context) {
    const { system, monitor } = context;
    await context.recovered();
    const fromMs = Date.now();
    await context.pause(usualMs);
    const awayMs = Date.now();
    const { openMost } = await outage(context, 300, openMaxByDefault);
    const goneMs = Date.now();
    const decided = [...monitor.committed.values()].reduce((sum, offset) => sum + offset, 0);
    await lakeRows(system, decided, 60_000);
    await healed(context, 300);
    context.mustHappen('runs were open', openMost, 1_500);
    if (openMost >= openMaxByDefault) context.problems.push(`${openMost} runs were open, so that the bridges had to stop`);
    const backMs = Date.now();
    await context.pause(usualMs);
    await compareLatencies(context, [[fromMs, awayMs], [backMs, Date.now()]], [awayMs, goneMs]);
  },
};

/** From a time to a time, the latter exclusive. */
type Span = [fromMs: number, toMs: number];

/** Of records that came when all was well, and of those that came while Postgres was away and runs could still be opened. */
async function compareLatencies(context: RowContext, usual: readonly Span[], away: Span): Promise<void> {
  const latencies = await decisionLatencies(context);
  const within = (spans: readonly Span[]) => latencies.filter(({ cameMs }) => spans.some(([fromMs, toMs]) => cameMs >= fromMs && cameMs < toMs)).map(({ latencyMs }) => latencyMs);
  const told = (spans: readonly Span[]) => `${percentile(within(spans), 0.5)} ms (p95 ${percentile(within(spans), 0.95)} ms)`;
  const [usually, meanwhile] = [within(usual), within([away])];
  context.log(`latency of the decisions topic: ${usual.map((span) => told([span])).join(' before and ')} after, together ${told(usual)}; ${told([away])} while Postgres was away`);
  context.mustHappen('other sinks got decisions as usual', usually.length, 4_000);
  context.mustHappen('other sinks got decisions meanwhile', meanwhile.length, 2_000);
  for (const [name, share] of [['median', 0.5], ['p95', 0.95]] as const) {
    const [usuallyMs, meanwhileMs] = [percentile(usually, share), percentile(meanwhile, share)];
    const mostMs = Math.max(usuallyMs * latencyFactorMax, usuallyMs + latencyFloorMs);
    if (!(meanwhileMs <= mostMs)) context.problems.push(`the other sinks got decisions after ${meanwhileMs} ms, and after ${usuallyMs} ms when Postgres was there (${name})`);
  }
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
