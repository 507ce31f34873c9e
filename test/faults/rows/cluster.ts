import { until } from '../../live/wait.ts';
import type { FaultServer } from '../system/fault-server.ts';
import type { Row, RowContext } from '../row.ts';
import { seenBy } from './kills.ts';
import { suffer } from './network.ts';
import { expelled } from './processes.ts';

const brokers = 3;
const needs = { brokers };

/** The leader of each partition, by `topic-partition`. Waits until all replicas are in sync: the next broker may go then. */
async function leadersInSync({ system }: RowContext): Promise<Map<string, number>> {
  let last = '';
  return until(
    'all replicas are in sync',
    async () => {
      try {
        const { topics } = await system.admin.fetchTopicMetadata();
        const partitions = topics.flatMap(({ name, partitions: all }) =>
          all.map(({ partitionId, leader, isr }) => ({ name: `${name}-${partitionId}`, leader, isr })),
        );
        last = partitions
          .filter(({ isr }) => isr.length < brokers)
          .map(({ name }) => name)
          .join(', ');
        return last === '' && new Map(partitions.map(({ name, leader }) => [name, leader]));
      } catch (error) {
        // It asks the broker that has just been started, at times a moment too early.
        last = String(error);
        return false;
      }
    },
    { everyMs: 500, detail: () => `(${last})` },
  );
}

/** What a bridge logs when it has lost its place in the group: its consumer gave up, the group has forgotten it, or it has built another one. */
const placeLost = ['Crash: ', expelled, 'is built anew'];
/** Kafka takes 9 s to notice that a broker is dead; then leaders and the coordinator have to be found. */
const goesOnMsMax = 30_000;

/**
 * Ends brokers one at a time, each after a pause when all replicas are in sync, and starts them again as told. Every time a partition must
 * get another leader, and no bridge may lose its place in the group.
 */
async function oneByOne(
  context: RowContext,
  chosen: readonly FaultServer[],
  { signal, pauseMsMax }: { signal: NodeJS.Signals; pauseMsMax: number },
  bringBack: (broker: FaultServer) => Promise<void>,
): Promise<void> {
  const { bridges } = context.system;
  for (const text of placeLost) for (const bridge of bridges) bridge.watch(text);
  let moves = 0;
  let before = await leadersInSync(context);
  for (const broker of chosen) {
    await context.pause(500, pauseMsMax);
    await broker.kill(signal);
    context.fault(`${signal} ${broker.name}`);
    await bringBack(broker);
    const after = await leadersInSync(context);
    if ([...before].some(([name, leader]) => after.get(name) !== leader)) moves++;
    before = after;
  }
  context.mustHappen('partitions got other leaders', moves, chosen.length);
  for (const text of placeLost)
    if (seenBy(bridges, text) > 0)
      context.problems.push(
        `a bridge lost its place in the group: "${text}" ${seenBy(bridges, text)} times in the logs`,
      );
}

export const brokersKilled: Row = {
  name: 'brokers-killed',
  about:
    'each of three brokers, and so the one that coordinates the group, is killed twice, and started again once the work of the other two is seen to go on: no bridge loses its place in the group',
  needs,
  async run(context) {
    const { random, system } = context;
    const rounds = Array.from({ length: context.rounds(2) }, () => random.shuffle([...system.servers.brokers]));
    await oneByOne(context, rounds.flat(), { signal: 'SIGKILL', pauseMsMax: 4_000 }, async (broker) => {
      const tookMs = await context.recovered();
      if (tookMs > goesOnMsMax) context.problems.push(`without ${broker.name}, work went on after ${tookMs} ms only`);
      await broker.restart();
    });
    await context.recovered();
  },
};

export const brokersRolled: Row = {
  name: 'brokers-rolled',
  about:
    'each of three brokers is asked to stop and started again, twice around, as in an upgrade: no bridge loses its place in the group',
  needs,
  async run(context) {
    const { brokers: all } = context.system.servers;
    await oneByOne(context, [...all, ...all], { signal: 'SIGTERM', pauseMsMax: 2_000 }, async (broker) => {
      await broker.restart();
      await context.recovered();
    });
  },
};

export const brokersCutOff: Row = {
  name: 'brokers-cut-off',
  about:
    'each of three brokers, and so the one that coordinates the group, is a black hole for bridges and workers for 20 s, while it leads its partitions as before',
  needs,
  async run(context) {
    const { random, system } = context;
    for (const broker of random.shuffle([...system.servers.brokers])) {
      await suffer(context, broker, { kind: 'black_hole' }, 20_000);
      context.mustHappen(`bytes of ${broker.name} were held back`, broker.proxy.counts.delayed);
    }
  },
};
