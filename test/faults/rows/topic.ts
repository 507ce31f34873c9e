import { readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import { paymentMessage } from '../load.ts';
import type { Row, RowContext } from '../row.ts';

/** Ends the bridges, and waits until the group has noticed: an offset of a group with members cannot be touched. */
export async function withoutBridges(context: RowContext, work: () => Promise<void>): Promise<void> {
  const { system } = context;
  await Promise.all(system.bridges.map((bridge) => bridge.stop()));
  await work();
  for (const bridge of system.bridges) bridge.start();
  await Promise.all(system.bridges.map((bridge) => bridge.ready()));
}

async function deleteGroup({ system }: RowContext): Promise<void> {
  await until(
    'the group is empty',
    async () => (await system.admin.describeGroups([system.groupId])).groups[0]!.members.length === 0,
  );
  await system.admin.deleteGroups([system.groupId]);
}

const foundLeast = 20;

export const groupDeleted: Row = {
  name: 'group-deleted',
  about: 'the group and its offsets are deleted, twice: every batch is found again, and none is started anew',
  async run(context) {
    const { system } = context;
    const started = async () => (await system.temporal.workflow.count("WorkflowType = 'processBatch'")).count;
    for (let round = 0; round < context.rounds(2); round++) {
      // How many batches the same events make depends on how busy the machine is.
      await until(`${foundLeast} batches were started`, async () => (await started()) >= foundLeast, { everyMs: 500 });
      await context.pause(2_000);
      await context.load.stop();
      await context.drained();
      const before = await started();
      await withoutBridges(context, async () => {
        await deleteGroup(context);
        context.fault('the group was deleted');
      });
      await context.drained();
      const anew = (await started()) - before;
      if (anew > 0) context.problems.push(`${anew} batches were started for records that had been decided`);
      context.mustHappen('batches were there to be found again', before, foundLeast);
      context.load.start();
    }
  },
};

export const partitionsAdded: Row = {
  name: 'partitions-added',
  about:
    'the topic gets two more partitions while events flow; events in them are decided as well, from the first one, also with HEADRACE_START_AT=latest',
  needs: { env: { HEADRACE_START_AT: 'latest' } },
  async run(context) {
    const { system } = context;
    await system.admin.createPartitions({ topicPartitions: [{ topic: system.topic, count: system.partitions + 2 }] });
    context.fault('two partitions were added');
    // Their accounts live in no other partition: which of two partitions is read first is nobody's promise.
    const added = [system.partitions, system.partitions + 1];
    const messages = added.flatMap((partition) =>
      Array.from({ length: 500 }, (_, i) => {
        const event = {
          id: `added-${partition}-${i}`,
          account: `b${partition}-${i % 20}`,
          amount: i % 100,
          at: Date.UTC(2026, 0, 1) + i * 500,
        };
        return { partition, key: event.account, value: JSON.stringify(event) };
      }),
    );
    await until(
      'the new partitions take records',
      () =>
        system.sendAfresh(messages).then(
          () => true,
          () => false,
        ),
      { everyMs: 500 },
    );
    await context.recovered();
    context.mustHappen(
      'events of new partitions were committed',
      added.reduce((sum, partition) => sum + (context.monitor.committed.get(partition) ?? 0), 0),
      1_000,
    );
  },
};

export const rereadAfterExpiry: Row = {
  name: 'runs-and-group-deleted',
  about:
    'all closed runs, the group and the range ledger are deleted, and everything is read again: no sink gets anything twice',
  async run(context) {
    const { system } = context;
    await context.pause(4_000);
    await context.load.stop();
    await context.drained();
    const before = new Set<string>();
    await withoutBridges(context, async () => {
      for await (const { workflowId, runId } of system.temporal.workflow.list({
        query: "WorkflowType = 'processBatch'",
      })) {
        before.add(runId);
        await system.temporal.workflowService.deleteWorkflowExecution({
          namespace: system.temporal.options.namespace,
          workflowExecution: { workflowId, runId },
        });
      }
      await until(
        'runs are gone',
        async () => (await system.temporal.workflow.count("WorkflowType = 'processBatch'")).count === 0,
        { timeoutMs: 60_000 },
      );
      await system.pool.query('delete from batch_ranges');
      await deleteGroup(context);
      // What was committed then were ends of runs that are no more.
      context.monitor.seen.length = 0;
      context.fault(`${before.size} runs, the group and the ledger were deleted`);
    });
    await context.drained();
    let anew = 0;
    for await (const { runId } of system.temporal.workflow.list({ query: "WorkflowType = 'processBatch'" }))
      if (!before.has(runId)) anew++;
    context.mustHappen('batches were started anew for records that had been decided', anew, system.partitions);
    context.load.start();
    await context.pause(3_000);
  },
};

/** Settings of a topic that are set while it is in use; all others go back to their defaults. */
async function configure({ system }: RowContext, settings: Record<string, string>): Promise<void> {
  const topicResource = 2;
  await system.admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: topicResource,
        name: system.topic,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      },
    ],
  });
}

const compactedLeast = 500;

export const compaction: Row = {
  name: 'compacted-gaps',
  about:
    'while no bridge runs, compaction takes most records away that wait: the chain goes over the gaps, and what is left is decided',
  async run(context) {
    const { system, load } = context;
    await load.stop();
    await context.drained();
    await withoutBridges(context, async () => {
      for (const [partition, records] of await readTopic(system, system.topic)) context.archive.set(partition, records);
      const before = [...context.archive.values()].reduce((sum, records) => sum + records.length, 0);
      await configure(context, {
        'cleanup.policy': 'compact',
        'segment.ms': '1000',
        'min.cleanable.dirty.ratio': '0.01',
        'max.compaction.lag.ms': '1000',
      });
      let sent = 0;
      // A segment is closed by the first record that comes late enough, and only closed ones are compacted.
      const left = await until(
        'most of what waits is compacted away',
        async () => {
          const events = Array.from({ length: 200 }, () => ({
            id: `compacted-${sent}`,
            account: `c${sent % 40}`,
            amount: sent % 100,
            at: Date.UTC(2026, 0, 1) + sent++ * 1_000,
          }));
          await system.sendAfresh(events.map(paymentMessage));
          const keys = [...(await readTopic(system, system.topic)).values()]
            .flat()
            .filter(({ key }) => key?.toString().startsWith('c')).length;
          return keys < sent / 2 && sent - keys >= compactedLeast && { keys };
        },
        { timeoutMs: 90_000, everyMs: 1_500 },
      );
      await configure(context, { 'cleanup.policy': 'delete' });
      context.fault(`of ${sent} records, ${left.keys} were left behind ${before} others`);
      context.mustHappen('records were compacted away before they were read', sent - left.keys, compactedLeast);
    });
    await context.recovered();
  },
};

const halted = 'halted: ';

/** The topic is deleted and made again, with this many records in it. */
async function recreate(context: RowContext, count: number): Promise<void> {
  const { system, archive } = context;
  for (const [partition, records] of await readTopic(system, system.topic)) archive.set(partition, records);
  await system.admin.deleteTopics({ topics: [system.topic] });
  let last = '';
  await until(
    'the topic is made again',
    async () => {
      try {
        await system.admin.createTopics({ topics: [{ topic: system.topic, numPartitions: system.partitions }] });
        // The answer is also "exists" while the old one goes; the new one is empty.
        return (await system.admin.fetchTopicOffsets(system.topic)).every(({ high }) => high === '0');
      } catch (error) {
        last = String(error);
        return false;
      }
    },
    { everyMs: 300, detail: () => last },
  );
  // Whole seconds: within one, windows do not tell before from after, and a send that is made again comes out of order.
  // An account always lies in the same partition: 96 is a multiple of any number of partitions that rows use.
  const event = (i: number) => ({
    id: `new-${i}`,
    account: `c${i % 96}`,
    amount: i % 500,
    at: Date.UTC(2026, 0, 1) + i * 1_000,
  });
  for (let from = 0; from < count; from += 1_000) {
    await system.sendAfresh(
      Array.from({ length: Math.min(1_000, count - from) }, (_, i) => ({
        partition: (from + i) % system.partitions,
        key: event(from + i).account,
        value: JSON.stringify(event(from + i)),
      })),
    );
  }
  context.log(`the topic was made again with ${count} records`);
}

/** What the operator is told to do: begin anew, in the next epoch. */
async function raiseEpoch(context: RowContext): Promise<void> {
  const { system } = context;
  context.epoch = 1;
  system.configure({ HEADRACE_EPOCH: '1' });
  for (const bridge of system.bridges) {
    await bridge.stop();
    bridge.start();
  }
  await Promise.all(system.bridges.map((bridge) => bridge.ready()));
}

function topicRecreatedRow(name: string, about: string, away: boolean, countOf: (sent: number) => number): Row {
  return {
    name,
    about,
    check: { skip: ['ledger', 'chain'] },
    async run(context) {
      const { system, load } = context;
      for (const bridge of system.bridges) bridge.watch(halted);
      await load.stop();
      await context.drained();
      const decided = await system.countDecisions();
      const count = countOf(load.sent);
      const work = () => recreate(context, count);
      await (away ? withoutBridges(context, work) : work());
      context.fault('the topic was deleted and made again');
      const halts = () => system.bridges.reduce((sum, bridge) => sum + bridge.seen(halted), 0);
      await until('every partition halts', () => halts() >= system.partitions, { timeoutMs: 30_000 }).catch(() => {
        context.problems.push(
          `${halts()} of ${system.partitions} partitions halted: the others go on behind records that they take for known ones`,
        );
      });
      const more = (await system.countDecisions()) - decided;
      if (more > 0) context.problems.push(`${more} of ${count} records were decided as if the topic were the old one`);
      await raiseEpoch(context);
      await until('the new records are decided', async () => (await system.countDecisions()) >= decided + count, {
        timeoutMs: 90_000,
        detail: () => system.logs(),
      });
    },
  };
}

export const topicRecreated = topicRecreatedRow(
  'topic-recreated',
  'the topic is deleted and made again under running bridges: its partitions halt and say so, and a new epoch begins anew',
  false,
  () => 100,
);

export const topicRecreatedAway = topicRecreatedRow(
  'topic-recreated-away',
  'the same while no bridge runs, and the new topic has grown longer than the old one was before they are back',
  true,
  (sent) => 2 * sent,
);
