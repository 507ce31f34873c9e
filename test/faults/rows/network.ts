import type { Row, RowContext } from '../row.ts';
import type { Fault } from '../proxy/fault-proxy.ts';
import type { FaultServer } from '../system/fault-server.ts';
import { retriedStep, seenBy, waitsForTemporal } from './kills.ts';

/** Puts a proxy into a fault for a while, and waits until all is well again. */
export async function suffer(
  context: RowContext,
  { name, proxy }: FaultServer,
  fault: Fault,
  ms: number,
): Promise<void> {
  context.fault(`${name}: ${fault.kind} for ${ms / 1_000} s`);
  await proxy.set(fault);
  await context.pause(ms);
  await proxy.heal();
  await context.recovered(ms);
}

export const temporalCutReplies: Row = {
  name: 'temporal-cut-replies',
  about: 'replies of Temporal are cut off, so that nobody knows whether a batch was started',
  async run(context) {
    const { system } = context;
    const random = context.random.fork();
    for (const bridge of system.bridges) bridge.watch(waitsForTemporal);
    const { temporal } = system.servers;
    const { counts } = temporal.proxy;
    await suffer(context, temporal, { kind: 'cut_reply', chance: 0.02, random: () => random.next() }, 15_000);
    await suffer(context, temporal, { kind: 'cut_reply', chance: 0.1, random: () => random.next() }, 15_000);
    context.faults += counts.cutReplies;
    context.mustHappen('a reply was cut off', counts.cutReplies, 10);
    context.mustHappen('a bridge did not know and asked again', seenBy(system.bridges, waitsForTemporal));
  },
};

/** How many starts of batches Temporal has refused because of a limit, by its own count since it was started. */
async function refusedStarts({ metricsUrl }: { metricsUrl: string }): Promise<number> {
  const text = await (await fetch(metricsUrl, { signal: AbortSignal.timeout(5_000) })).text();
  const counts = text
    .split('\n')
    .filter(
      (line) =>
        line.startsWith('service_errors_resource_exhausted{') && line.includes('operation="ExecuteMultiOperation"'),
    );
  return counts.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

export const temporalExhausted: Row = {
  name: 'temporal-exhausted',
  about: 'Temporal answers most calls, starts of batches among them, with RESOURCE_EXHAUSTED for 25 s',
  async run(context) {
    const { system } = context;
    const { temporal, temporalSettings } = system.servers;
    temporalSettings.push('frontend.namespaceRPS=1');
    await temporal.kill();
    context.fault('temporal: RESOURCE_EXHAUSTED for 25 s');
    await temporal.restart();
    await context.pause(25_000);
    // The bridge's client tries again by itself and says nothing of it.
    const refused = await refusedStarts(temporal.direct);
    temporalSettings.length = 0;
    await temporal.kill();
    context.fault('SIGKILL temporal');
    await temporal.restart();
    await context.recovered(30_000);
    context.mustHappen('a start of a batch was refused with RESOURCE_EXHAUSTED', refused, 10);
  },
};

export const temporalNetwork: Row = {
  name: 'temporal-network',
  about: 'the way to Temporal is refused, black-holed, silent, slow and sliced',
  async run(context) {
    const { system } = context;
    for (const bridge of system.bridges) bridge.watch(waitsForTemporal);
    for (const fault of context.random.shuffle<Fault>([
      { kind: 'refuse' },
      { kind: 'black_hole' },
      { kind: 'silent' },
      { kind: 'latency', ms: 300 },
      { kind: 'slice', bytes: 400, everyMs: 2 },
    ])) {
      await suffer(context, system.servers.temporal, fault, 10_000);
    }
    const { counts } = system.servers.temporal.proxy;
    context.mustHappen('connections were reset', counts.resets, 4);
    context.mustHappen('a connection got no answer at all', counts.silent);
    context.mustHappen('bytes were held back', counts.delayed, 10);
    context.mustHappen('a bridge had to wait for Temporal', seenBy(system.bridges, waitsForTemporal), 2);
  },
};

export const temporalDown: Row = {
  name: 'temporal-down-120s',
  about: 'Temporal is killed and stays away for 120 s; bridges keep their membership meanwhile',
  async run(context) {
    const { system } = context;
    const joined = 'has joined the group';
    for (const bridge of system.bridges) bridge.watch(joined);
    await context.pause(500, 2_000);
    await system.servers.temporal.kill();
    context.fault('SIGKILL temporal for 120 s');
    await context.pause(120_000);
    const rebalances = seenBy(system.bridges, joined);
    const ends = [...system.bridges, ...system.workers].flatMap(({ unexpectedEnds }) => unexpectedEnds);
    if (rebalances > 0)
      context.problems.push(`the group was rebalanced ${rebalances} times while Temporal was away; ${ends.join('; ')}`);
    context.mustHappen('events waited', context.monitor.lag, 20_000);
    await system.servers.temporal.restart();
    await context.recovered(120_000);
  },
};

export const modelsNetwork: Row = {
  name: 'models-network',
  about: 'the model server refuses, is a black hole, accepts without ever answering, resets, and is slow',
  async run(context) {
    const { system } = context;
    for (const worker of system.workers) worker.watch(retriedStep);
    for (const fault of context.random.shuffle<Fault>([
      { kind: 'refuse' },
      { kind: 'black_hole' },
      { kind: 'silent' },
      { kind: 'latency', ms: 400 },
    ])) {
      await suffer(context, system.servers.models, fault, 8_000);
    }
    context.mustHappen('inference was retried', seenBy(system.workers, retriedStep), 3);
    context.mustHappen('a connection got no answer at all', system.servers.models.proxy.counts.silent);
  },
};

/** How many messages the decisions topic holds. */
async function publishedDecisions({ system }: RowContext): Promise<number> {
  const offsets = await system.admin.fetchTopicOffsets(`${system.name}.decisions`);
  return offsets.reduce((sum, { high }) => sum + Number(high), 0);
}

/** Of some thousand that come in the last seconds of each fault, when the worker that was killed is missed no longer. */
const meanwhileLeast = 500;
/** Five faults of some 20 s, one after the other. */
const postgresOutagesMs = 100_000;

export const postgresNetwork: Row = {
  name: 'postgres-network',
  about:
    'Postgres is away for some seconds, a black hole, silent, slow and sliced, and one of two workers is killed meanwhile: the decisions topic goes on getting its events',
  async run(context) {
    const { system } = context;
    const { proxy } = system.servers.postgres;
    for (const worker of system.workers) worker.watch(retriedStep);
    for (const fault of context.random.shuffle<Fault>([
      { kind: 'refuse' },
      { kind: 'black_hole' },
      { kind: 'silent' },
      { kind: 'latency', ms: 300 },
      { kind: 'slice', bytes: 200, everyMs: 2 },
    ])) {
      context.fault(`postgres: ${fault.kind} for 20 s`);
      await proxy.set(fault);
      await context.pause(5_000, 8_000);
      const worker = context.random.pick(system.workers);
      await worker.kill();
      context.fault(`SIGKILL ${worker.name}`);
      worker.start();
      await context.pause(8_000);
      const before = await publishedDecisions(context);
      await context.pause(6_000);
      const meanwhile = (await publishedDecisions(context)) - before;
      await proxy.heal();
      if (meanwhile < meanwhileLeast)
        context.problems.push(
          `the decisions topic got ${meanwhile} events in 6 s in which Postgres was at fault (${fault.kind})`,
        );
      await context.recovered(20_000);
      // A worker does not start without Postgres, so one that was killed may still be on its way, and the other would be killed next.
      await Promise.all(system.workers.map((each) => each.ready()));
    }
    // What waits has hardly got a turn between the five, and comes in over as long as it has waited (docs/decisions/0025).
    context.outageMs = postgresOutagesMs;
    const { counts } = proxy;
    context.mustHappen('a connection got no answer at all', counts.silent);
    context.mustHappen('bytes were held back', counts.delayed, 10);
    context.mustHappen('a delivery was retried', seenBy(system.workers, retriedStep), 20);
  },
};

export const postgresAtCommit: Row = {
  name: 'postgres-at-commit',
  about: 'replies of Postgres are cut off, so that nobody knows whether rows were committed; it is killed meanwhile',
  async run(context) {
    const { system } = context;
    const random = context.random.fork();
    for (const worker of system.workers) worker.watch(retriedStep);
    const { postgres } = system.servers;
    await suffer(context, postgres, { kind: 'cut_reply', chance: 0.1, random: () => random.next() }, 12_000);
    await postgres.proxy.set({ kind: 'cut_reply', chance: 0.05, random: () => random.next() });
    await context.pause(3_000);
    await postgres.kill();
    context.fault('SIGKILL postgres while replies are cut off');
    await context.pause(1_000, 4_000);
    await postgres.restart();
    await postgres.proxy.heal();
    await context.recovered(8_000);
    context.faults += postgres.proxy.counts.cutReplies;
    context.mustHappen('an answer of Postgres was cut off', postgres.proxy.counts.cutReplies, 20);
    context.mustHappen('a delivery was retried', seenBy(system.workers, retriedStep), 5);
  },
};

export const kafkaNetwork: Row = {
  name: 'kafka-network',
  about:
    'the way to Kafka is refused, black-holed for less and for more than the session time-out, slow, sliced, and reset',
  async run(context) {
    const { kafka } = context.system.servers;
    const faults: [Fault, number][] = [
      [{ kind: 'refuse' }, 5_000],
      [{ kind: 'black_hole' }, 5_000],
      [{ kind: 'black_hole' }, 15_000],
      [{ kind: 'latency', ms: 200 }, 8_000],
      [{ kind: 'slice', bytes: 700, everyMs: 1 }, 8_000],
    ];
    for (const [fault, ms] of context.random.shuffle(faults)) {
      await suffer(context, kafka, fault, ms);
      kafka.proxy.resetAll();
      context.fault('kafka: all connections reset');
    }
    await context.recovered();
    const { counts } = kafka.proxy;
    context.mustHappen('connections were reset', counts.resets, 10);
    context.mustHappen('bytes were held back', counts.delayed, 10);
  },
};
