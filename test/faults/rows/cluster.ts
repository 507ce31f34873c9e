import { until } from '../../live/wait.ts';
import type { FaultServer } from '../system/fault-server.ts';
import type { Row, RowContext } from '../row.ts';
import { seenBy } from './kills.ts';
import { suffer } from './network.ts';

const brokers = 3;
const needs = { brokers };

/** The leader of each partition, by `topic-partition`. Waits until all replicas are in sync: the next broker may go then. */
async function leadersInSync({ system }: RowContext): Promise<Map<string, number>> {
  let last = '';
  return until('all replicas are in sync', async () => {
    try {
      const { topics } = await system.admin.fetchTopicMetadata();
      const partitions = topics.flatMap(({ name, partitions: all }) => all.map(({ partitionId, leader, isr }) => ({ name: `${name}-${partitionId}`, leader, isr })));
      last = partitions.filter(({ isr }) => isr.length < brokers).map(({ name }) => name).join(', ');
      return last === '' && new Map(partitions.map(({ name, leader }) => [name, leader]));
    } catch (error) {
      // It asks the broker that has just been started, at times a moment too early.
      last = String(error);
      return false;
    }
  }, { everyMs: 500, detail: () => `(${last})` });
}

/** Takes brokers away one at a time, each when all replicas are in sync, and notes how many partitions have another leader afterwards. */
async function oneByOne(context: RowContext, chosen: readonly FaultServer[], takeAway: (broker: FaultServer) => Promise<void>): Promise<void> {
  let moved = 0;
  let before = await leadersInSync(context);
  for (const broker of chosen) {
    await takeAway(broker);
    const after = await leadersInSync(context);
    moved += [...after].filter(([name, leader]) => leader !== before.get(name)).length;
    before = after;
  }
  context.mustHappen('a partition got another leader', moved, chosen.length);
}

/** What a bridge logs when its consumer has given up, and another one has to wait until the group has forgotten it. */
const gaveUp = 'Crash: ';

export const brokersKilled: Row = {
  name: 'brokers-killed',
  about: 'each of three brokers, and so the one that coordinates the group, is killed twice, and started again once the work of the other two is seen to go on: no bridge loses its place in the group',
  needs,
  async run(context) {
    const { random, system } = context;
    for (const bridge of system.bridges) bridge.watch(gaveUp);
    const rounds = Array.from({ length: context.rounds(2) }, () => random.shuffle([...system.servers.brokers]));
    await oneByOne(context, rounds.flat(), async (broker) => {
      await context.pause(500, 4_000);
      await broker.kill();
      context.fault(`SIGKILL ${broker.name}`);
      await context.recovered();
      await broker.restart();
    });
    await context.recovered();
    const crashes = seenBy(system.bridges, gaveUp);
    if (crashes > 0) context.problems.push(`${crashes} times a bridge left the group and joined it anew`);
  },
};

export const brokersRolled: Row = {
  name: 'brokers-rolled',
  about: 'each of three brokers is asked to stop and started again, twice around, as in an upgrade: their leaders move while all records are there',
  needs,
  async run(context) {
    const { brokers: all } = context.system.servers;
    await oneByOne(context, [...all, ...all], async (broker) => {
      await context.pause(500, 2_000);
      await broker.kill('SIGTERM');
      context.fault(`SIGTERM ${broker.name}`);
      await broker.restart();
      await context.recovered();
    });
  },
};

export const brokersCutOff: Row = {
  name: 'brokers-cut-off',
  about: 'each of three brokers, and so the one that coordinates the group, is a black hole for bridges and workers for 20 s, while it leads its partitions as before',
  needs,
  async run(context) {
    const { random, system } = context;
    for (const broker of random.shuffle([...system.servers.brokers])) {
      await suffer(context, broker, { kind: 'black_hole' }, 20_000);
      context.mustHappen(`bytes of ${broker.name} were held back`, broker.proxy.counts.delayed);
    }
  },
};
