import { eventKeyHeader } from '../../../contracts/names.ts';
import { lakeRows, openBatches, readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import { quantile } from '../../../bench/figures.ts';
import type { Row, RowContext } from '../row.ts';

/** How long is looked at what is usual, before the outage. */
const usualMs = 30_000;
/** How much longer than usual it may take to the other sinks; and what is less than anybody can tell on a busy machine. The slowest wait for whatever else the machine does. */
const latencyFactorMax = { median: 1.1, p95: 1.3 };
const latencyFloorMs = 20;
/** No event may wait longer for the others, or they have stood still. */
const latencyMostMs = 10_000;
/** The count comes from visibility every 2 s, and two bridges start batches meanwhile. */
const openBeyond = 60;
const openMaxByDefault = 10_000;
/** The last tries come two minutes after the sink is back; delivering them all takes its time, too. */
const deliveredWithinMs = 210_000;

const slower = `in the median no more than ${latencyFactorMax.median} times as slow as usual, ${latencyFactorMax.p95} times at p95 (or ${latencyFloorMs} ms slower, where that is more)`;

/** A while in which all is well. */
async function usualSpan(context: RowContext): Promise<Span> {
  await context.recovered();
  const fromMs = Date.now();
  await context.pause(usualMs);
  return [fromMs, Date.now()];
}

/** Postgres is away: how many runs were open at most, and from when on there were `openMax`. */
async function outage(
  context: RowContext,
  seconds: number,
  openMax: number,
): Promise<{ openMost: number; fullMs: number }> {
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
  const backMs = Date.now();
  await context.system.servers.postgres.proxy.heal();
  await context.recovered(seconds * 1_000);
  await until('what waited is delivered', async () => (await openBatches(context.system)) < 5, {
    timeoutMs: deliveredWithinMs,
    everyMs: 500,
  });
  context.log(`what waited was delivered within ${Math.round((Date.now() - backMs) / 1_000)} s`);
}

/** Few batches a second, so that the machine is not the limit. */
export const sinkDown: Row = {
  name: 'sink-down',
  about: `Postgres is away for 75 s: the other sinks go on, ${slower}, until 200 runs are open, and then Kafka holds the backlog`,
  needs: { env: { HEADRACE_OPEN_BATCHES_MAX: '200', HEADRACE_BATCHES_PER_SECOND: '2' } },
  async run(context) {
    const usual = await usualSpan(context);
    const awayMs = Date.now();
    const { openMost, fullMs } = await outage(context, 75, 200);
    await healed(context, 75);
    context.mustHappen('so many runs were open that the limit mattered', openMost, 200);
    if (openMost > 200 + openBeyond) context.problems.push(`${openMost} runs were open, far above the limit of 200`);
    // What came just before the limit was reached waits for it.
    await compareLatencies(context, usual, [awayMs, fullMs - 3_000]);
  },
};

/** With the limit of any system, and at a pace that leaves the machine room: all servers share it. One bridge and one worker, for two of them would mostly measure each other. */
export const sinkDownLong: Row = {
  name: 'sink-down-5m',
  about: `Postgres is away for 5 minutes: the other sinks go on all the time, ${slower}, and the lake has what came; afterwards everything is delivered`,
  needs: { partitions: 2, bridges: 1, workers: 1, env: { HEADRACE_BATCHES_PER_SECOND: '8' } },
  async run(context) {
    const { system, monitor } = context;
    const usual = await usualSpan(context);
    const awayMs = Date.now();
    const { openMost } = await outage(context, 300, openMaxByDefault);
    const goneMs = Date.now();
    const decided = [...monitor.committed.values()].reduce((sum, offset) => sum + offset, 0);
    await lakeRows(system, decided, 60_000);
    await healed(context, 300);
    context.mustHappen('runs were open', openMost, 1_500);
    if (openMost >= openMaxByDefault)
      context.problems.push(`${openMost} runs were open, so that the bridges had to stop`);
    await compareLatencies(context, usual, [awayMs, goneMs]);
  },
};

/** From a time to a time, the latter exclusive. */
type Span = [fromMs: number, toMs: number];

/** Of records that came when all was well, and of those that came while Postgres was away and runs could still be opened. */
async function compareLatencies(context: RowContext, usual: Span, away: Span): Promise<void> {
  const latencies = await decisionLatencies(context);
  const within = ([fromMs, toMs]: Span) =>
    latencies.filter(({ cameMs }) => cameMs >= fromMs && cameMs < toMs).map(({ latencyMs }) => latencyMs);
  const told = (span: Span) => `${quantile(within(span), 0.5)} ms (p95 ${quantile(within(span), 0.95)} ms)`;
  const [usually, meanwhile] = [within(usual), within(away)];
  context.log(`latency of the decisions topic: ${told(usual)} before, ${told(away)} while Postgres was away`);
  const halfMinutes = Array.from(
    { length: Math.ceil((away[1] - away[0]) / 30_000) },
    (_, i): Span => [away[0] + i * 30_000, Math.min(away[1], away[0] + (i + 1) * 30_000)],
  );
  context.log(`meanwhile, each half minute: ${halfMinutes.map(told).join(', ')}`);
  context.mustHappen('other sinks got decisions as usual', usually.length, 4_000);
  context.mustHappen('other sinks got decisions meanwhile', meanwhile.length, 2_000);
  const longestMs = quantile(meanwhile, 1);
  if (!(longestMs <= latencyMostMs))
    context.problems.push(`an event waited ${longestMs} ms for the other sinks while Postgres was away`);
  for (const [name, share] of [
    ['median', 0.5],
    ['p95', 0.95],
  ] as const) {
    const [usuallyMs, meanwhileMs] = [quantile(usually, share), quantile(meanwhile, share)];
    const mostMs = Math.max(usuallyMs * latencyFactorMax[name], usuallyMs + latencyFloorMs);
    if (!(meanwhileMs <= mostMs))
      context.problems.push(
        `the other sinks got decisions after ${meanwhileMs} ms, and after ${usuallyMs} ms when Postgres was there (${name})`,
      );
  }
}

/** Time from each record to its decision in the decisions topic. */
async function decisionLatencies({ system }: RowContext): Promise<{ cameMs: number; latencyMs: number }[]> {
  const came = new Map<string, number>();
  for (const [partition, records] of await readTopic(system, system.topic))
    for (const { offset, timestampMs } of records) came.set(`${partition}:${offset}`, timestampMs);
  const latencies: { cameMs: number; latencyMs: number }[] = [];
  const seen = new Set<string>();
  for (const records of (await readTopic(system, `${system.name}.decisions`)).values()) {
    for (const { texts, timestampMs } of records) {
      const key = texts[eventKeyHeader]!;
      // A repeat, which at-least-once allows, says nothing of how long the first one took.
      if (seen.has(key)) continue;
      seen.add(key);
      const cameMs = came.get(key.split(':').slice(-2).join(':'))!;
      latencies.push({ cameMs, latencyMs: timestampMs - cameMs });
    }
  }
  return latencies;
}
