import { setTimeout as sleep } from 'node:timers/promises';
import { measureBareLoop } from './bare-loop.ts';
import { allBatches, openBatchCount } from './batch-runs.ts';
import type { Bench, BenchContext } from './context.ts';
import { measureEqualWork, type EqualWorkResult } from './equal-work.ts';
import type { Figure } from './figures.ts';
import { paymentMessage, simulatedPayments } from './payments.ts';
import { loadAverage, UsageProbe } from './process-usage.ts';
import { kafkaClient, startServers, temporalBytes } from './servers.ts';
import { BenchSystem } from './system.ts';

const partitionsMeasured = [4];
const topic = 'bench-throughput';
const messagesPerSend = 4_000;
const pollMs = 500;
const tellEveryMs = 5_000;
const listedMsMax = 30_000;
/** Without a further decision for this long the run has failed. */
const stalledMsMax = 120_000;
/** So that every run pays for the roll-ups of its own events: at once a minute one run would have one more than another. */
const rollUpSeconds = '15';
const mebibyte = 1_024 * 1_024;

/** A backlog through every sink, and beside it what the same machine does without any of our promises. */
export const throughput: Bench = {
  name: 'throughput',
  what: 'events/s from a backlog through all sinks, CPU per event of every process, memory, growth of Temporal, beside an equal-work loop and a bare one',
  async run(context) {
    if (context.sinks?.includes('dashboard') === false)
      throw new Error('--sinks must name dashboard, because the bench counts decisions there');
    const { partitions: counts = partitionsMeasured } = context;
    const figures: Figure[] = [];
    for (const partitions of counts)
      for (const figure of await measureThroughput(context, partitions))
        figures.push(counts.length === 1 ? figure : { ...figure, name: `${partitions} partitions: ${figure.name}` });
    return figures;
  },
};

async function measureThroughput(context: BenchContext, partitions: number): Promise<Figure[]> {
  const servers = await startServers(context, ['temporal', 'kafka', 'postgres', 'model-server']);
  const system = await BenchSystem.prepare(context, servers, {
    topic,
    partitions,
    env: { HEADRACE_LAKE_ROLL_UP_SECONDS: rollUpSeconds },
  }).catch(async (error: unknown) => {
    await servers.stop();
    throw error;
  });
  try {
    await system.start('worker');
    await produceBacklog(context, system);
    const bareBefore = await measureBareLoop(context, system);
    const equalBefore = await measureEqualWork(context, system, 'equal-work-before');
    const measured = await measureSystem(context, system);
    await system.halt();
    const equalAfter = await measureEqualWork(context, system, 'equal-work-after');
    const bareAfter = await measureBareLoop(context, system);
    const bare = (bareBefore.eventsPerSecond + bareAfter.eventsPerSecond) / 2;
    return [
      ...measured.figures,
      ...equalWorkFigures(measured, [equalBefore, equalAfter]),
      { name: 'bare loop (no features, no durability, no sinks)', value: bare, unit: 'events/s' },
      {
        name: 'CPU of the bare loop',
        value: (bareBefore.cpuMicrosPerEvent + bareAfter.cpuMicrosPerEvent) / 2,
        unit: 'us/event',
      },
      { name: 'throughput against the bare loop', value: measured.eventsPerSecond / bare, unit: '' },
      { name: 'load of the machine at the end (1 min)', value: loadAverage(), unit: '' },
    ];
  } finally {
    await system.stop();
    await servers.stop();
  }
}

async function produceBacklog({ events, tell }: BenchContext, system: BenchSystem): Promise<void> {
  const producer = kafkaClient(system.servers).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  const startedMs = performance.now();
  let messages: { key: string; value: string }[] = [];
  let sent = 0;
  const send = async () => {
    await producer.send({ topic, acks: -1, messages });
    sent += messages.length;
    messages = [];
    if (sent % (messagesPerSend * 25) === 0) tell(`${sent} of ${events} events produced`);
  };
  try {
    for (const payment of simulatedPayments(events)) {
      messages.push(paymentMessage(payment));
      if (messages.length === messagesPerSend) await send();
    }
    if (messages.length > 0) await send();
  } finally {
    await producer.disconnect();
  }
  tell(`${events} events produced in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
}

/** What the product does beside the loop that does the same work by hand. */
function equalWorkFigures(
  { eventsPerSecond, cpuMicrosPerEvent }: Measured,
  runs: readonly EqualWorkResult[],
): Figure[] {
  const mean = (of: (run: EqualWorkResult) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  const cpuOfAll = mean((run) => run.cpuOfAllMicrosPerEvent);
  return [
    {
      name: 'equal-work loop (same work; no Temporal, chain or ledger)',
      value: mean((run) => run.eventsPerSecond),
      unit: 'events/s',
    },
    { name: 'CPU of the equal-work loop', value: mean((run) => run.cpuMicrosPerEvent), unit: 'us/event' },
    { name: 'CPU of the equal-work loop and its servers', value: cpuOfAll, unit: 'us/event' },
    {
      name: 'throughput against the equal-work loop',
      value: eventsPerSecond / mean((run) => run.eventsPerSecond),
      unit: '',
    },
    { name: 'CPU of all of them against that of the equal-work loop', value: cpuMicrosPerEvent / cpuOfAll, unit: '' },
  ];
}

interface Measured {
  eventsPerSecond: number;
  /** Of all processes. */
  cpuMicrosPerEvent: number;
  figures: Figure[];
}

async function measureSystem(context: BenchContext, system: BenchSystem): Promise<Measured> {
  const { events, tell } = context;
  const databaseBefore = temporalBytes(system.servers);
  tell('bridge starts on the backlog');
  await system.start('bridge');
  const startedMs = Date.now();
  const usage = new UsageProbe(system.pids);
  let used: ReturnType<UsageProbe['stop']>;
  try {
    await untilDelivered(context, system);
  } finally {
    used = usage.stop();
  }
  const batches = await allBatches(system.temporal, events, listedMsMax);
  const seconds = (Math.max(...batches.map(({ closedMs }) => closedMs)) - startedMs) / 1_000;
  const durable = tellDurable(context, system);
  const deliveries = await system.metric('worker', 'headrace_deliveries_total', { result: 'ok' });
  const perEvent = [...used.cpuMicros].map(
    ([name, micros]): Figure => ({ name: `CPU of ${name}`, value: micros / events, unit: 'us/event' }),
  );
  const total = perEvent.reduce((sum, { value }) => sum + value, 0);
  const memory = (name: string) => (used.rssAnonPeak.get(name) ?? Number.NaN) / mebibyte;
  return {
    eventsPerSecond: events / seconds,
    cpuMicrosPerEvent: total,
    figures: [
      { name: 'throughput through all sinks', value: events / seconds, unit: 'events/s' },
      { name: 'events', value: events, unit: '' },
      { name: 'seconds, from bridge ready to the last batch completed', value: seconds, unit: 's' },
      ...perEvent,
      { name: 'CPU of all of them', value: total, unit: 'us/event' },
      { name: 'cores used by them', value: (total * events) / (seconds * 1e6), unit: 'cores' },
      { name: 'batches', value: batches.length, unit: '' },
      { name: 'mean batch', value: events / batches.length, unit: 'events' },
      {
        name: 'steps that went on as regular activities',
        value: durable / (batches.length * 2 + deliveries),
        unit: 'of all steps',
      },
      { name: 'reviews kept', value: await system.reviewCount(), unit: '' },
      {
        name: 'reviews opened meanwhile',
        value: (await system.temporal.workflow.count("WorkflowType = 'review'")).count,
        unit: '',
      },
      { name: 'bridge RssAnon, peak', value: memory('bridge'), unit: 'MiB' },
      { name: 'worker RssAnon, peak', value: memory('worker'), unit: 'MiB' },
      { name: 'temporal RssAnon, peak', value: memory('temporal'), unit: 'MiB' },
      {
        name: "growth of Temporal's database",
        value: ((temporalBytes(system.servers) - databaseBefore) / mebibyte / events) * 1e6,
        unit: 'MiB/million events',
      },
    ],
  };
}

/** Counts the steps whose quick try failed, and says why. */
function tellDurable({ tell }: BenchContext, system: BenchSystem): number {
  const reasons = system
    .logLines('worker')
    .filter(({ msg }) => String(msg).includes('goes on as a regular activity'))
    .map(({ reason }) => String(reason));
  for (const reason of new Set(reasons))
    tell(`as a regular activity, ${reasons.filter((each) => each === reason).length} times: ${reason}`);
  return reasons.length;
}

/** Waits until every decision is in Postgres and no batch is open. */
async function untilDelivered({ events, tell }: BenchContext, system: BenchSystem): Promise<void> {
  let last = 0;
  let progressMs = Date.now();
  let toldMs = Date.now();
  let toldCount = 0;
  for (;;) {
    const count = await system.decisionCount();
    if (count >= events && (await openBatchCount(system.temporal)) === 0) return;
    if (count > last) {
      last = count;
      progressMs = Date.now();
    }
    if (Date.now() - progressMs > stalledMsMax)
      throw new Error(`${count} of ${events} decisions, and none more for ${stalledMsMax / 1_000} s`);
    if (Date.now() - toldMs >= tellEveryMs) {
      tell(
        `${count} of ${events} decisions in Postgres, ${Math.round(((count - toldCount) / (Date.now() - toldMs)) * 1_000)} events/s`,
      );
      toldMs = Date.now();
      toldCount = count;
    }
    await sleep(pollMs);
  }
}
