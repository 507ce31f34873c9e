import { CompressionTypes } from 'kafkajs';
import { readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import type { Row } from '../row.ts';
import { seenBy } from './kills.ts';
import { withoutBridges } from './topic.ts';

export const sixteenPartitions: Row = {
  name: 'sixteen-partitions',
  about: 'sixteen partitions in two chains; bridges and workers are killed: each batch holds what its partitions have',
  needs: { partitions: 16, chains: 2 },
  async run(context) {
    const { system, random } = context;
    for (let round = 0; round < context.rounds(6); round++) {
      await context.pause(500, 3_000);
      const member = random.pick([...system.bridges, ...system.workers]);
      await member.kill();
      context.fault(`SIGKILL ${member.name}`);
      await context.pause(0, 2_000);
      member.start();
      await member.ready();
    }
    await context.recovered();
  },
};

export const hostsMoreThanChains: Row = {
  name: 'hosts-more-than-chains',
  about: 'three bridges share one chain: one works, and when it is killed or frozen another one takes over',
  needs: { chains: 1, bridges: 3 },
  async run(context) {
    const { system, random } = context;
    for (let round = 0; round < context.rounds(6); round++) {
      await context.pause(500, 3_000);
      const bridge = random.pick(system.bridges);
      if (round % 2 === 0) await bridge.kill();
      else bridge.freeze();
      context.fault(`${round % 2 === 0 ? 'SIGKILL' : 'SIGSTOP'} ${bridge.name}`);
      await context.recovered(20_000);
      bridge.thaw();
      bridge.start();
      await bridge.ready();
    }
    await context.recovered();
  },
};

export const chainsChanged: Row = {
  name: 'chains-changed',
  about: 'the topic is put into 4, 1, 3 and 2 chains while events flow: the chains of before are finished first',
  needs: { chains: 2 },
  async run(context) {
    const { system } = context;
    for (const chains of [4, 1, 3, 2].slice(0, context.rounds(4))) {
      await context.pause(1_000, 3_000);
      await withoutBridges(context, async () => {
        await until(
          'the group is empty, and what is open is delivered',
          () =>
            system.setChains(chains).then(
              () => true,
              (error: unknown) => {
                if (/members|not completed|is open|not empty/i.test(String(error))) return false;
                throw error;
              },
            ),
          { timeoutMs: 60_000, everyMs: 1_000 },
        );
        context.fault(`the topic is in ${chains} chains`);
      });
      await context.recovered();
    }
  },
};

/** Inflates to more than a bridge lets it. */
const bombBytes = 70 * 1024 * 1024;
const halted = 'cannot be read';

export const partitionHaltedInChain: Row = {
  name: 'partition-halted-in-chain',
  about:
    'a batch that inflates to 70 MiB halts its partition: the others of its chain go on, and it does, too, once the record is deleted',
  needs: { chains: 1 },
  async run(context) {
    const { system, load, monitor } = context;
    for (const bridge of system.bridges) bridge.watch(halted);
    await load.stop();
    await context.drained();
    // Nobody can read the partition while the record is there.
    context.archive.set(0, (await readTopic(system, system.topic)).get(0)!);
    const producer = system.kafka.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    const [sent] = await producer
      .send({
        topic: system.topic,
        acks: -1,
        compression: CompressionTypes.GZIP,
        messages: [{ partition: 0, key: 'bomb', value: Buffer.alloc(bombBytes) }],
      })
      .finally(() => producer.disconnect());
    const bomb = Number(sent!.baseOffset);
    context.fault(`a batch that inflates to ${bombBytes} bytes, at offset ${bomb} of partition 0`);
    await load.burst(4_000);
    await until('the others go on', async () => {
      await monitor.look();
      return [...monitor.ends].every(
        ([partition, end]) => partition === 0 || (monitor.committed.get(partition) ?? 0) >= end,
      );
    });
    await until('the partition is halted', async () => seenBy(system.bridges, halted) > 0);
    if ((monitor.committed.get(0) ?? 0) > bomb) context.problems.push('the partition went past what it cannot read');
    await system.admin.deleteTopicRecords({
      topic: system.topic,
      partitions: [{ partition: 0, offset: String(bomb + 1) }],
    });
    context.lost.set(0, { from: bomb, to: bomb + 1 });
    context.fault('the record was deleted');
    await context.recovered();
  },
};
