import { readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import type { Row, RowContext } from '../row.ts';

/** Ends the bridges, and waits until the group has noticed: an offset of a group with members cannot be touched. */
async function withoutBridges(context: RowContext, work: () => Promise<void>): Promise<void> {
  const { system } = context;
  await Promise.all(system.bridges.map((bridge) => bridge.stop()));
  await work();
  for (const bridge of system.bridges) bridge.start();
  await Promise.all(system.bridges.map((bridge) => bridge.ready()));
}

async function deleteGroup({ system }: RowContext): Promise<void> {
  await until('the group is empty', async () => (await system.admin.describeGroups([system.groupId])).groups[0]!.members.length === 0);
  await system.admin.deleteGroups([system.groupId]);
}

export const groupDeleted: Row = {
  name: 'group-deleted',
  about: 'the group and its offsets are deleted, twice: every batch is found again, and none is started anew',
  async run(context) {
    const { system } = context;
    const started = async () => (await system.temporal.workflow.count("WorkflowType = 'processBatch'")).count;
    for (let round = 0; round < 2; round++) {
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
      context.mustHappen('batches were there to be found again', before, 20);
      context.load.start();
      await context.pause(2_000);
    }
  },
};

export const retention: Row = {
  name: 'offset-out-of-range',
  about: 'records are deleted before they were read: what is lost is known to the record, and the chain goes on behind it',
  async run(context) {
    const { system } = context;
    for (const bridge of system.bridges) bridge.watch('retention deleted records before they were read');
    await context.load.stop();
    await context.drained();
    await withoutBridges(context, async () => {
      const positions = new Map(context.monitor.committed);
      await context.load.burst(4_000);
      for (const [partition, records] of await readTopic(system, system.topic)) context.archive.set(partition, records);
      const cut = new Map([...positions].map(([partition, position]) => [partition, position + context.random.whole(100, 400)]));
      await system.admin.deleteTopicRecords({ topic: system.topic, partitions: [...cut].map(([partition, offset]) => ({ partition, offset: String(offset) })) });
      for (const [partition, to] of cut) context.lost.set(partition, { from: positions.get(partition)!, to });
      context.fault('records above the position were deleted');
    });
    await context.recovered();
    context.mustHappen('a bridge said what was lost', system.bridges.reduce((sum, bridge) => sum + bridge.seen('retention deleted records before they were read'), 0), 4);
    context.load.start();
    await context.pause(3_000);
  },
};

export const partitionsAdded: Row = {
  name: 'partitions-added',
  about: 'the topic gets two more partitions while events flow; events in them are decided as well',
  async run(context) {
    const { system } = context;
    await system.admin.createPartitions({ topicPartitions: [{ topic: system.topic, count: system.partitions + 2 }] });
    context.fault('two partitions were added');
    // Their accounts live in no other partition: which of two partitions is read first is nobody's promise.
    const added = [system.partitions, system.partitions + 1];
    const messages = added.flatMap((partition) => Array.from({ length: 500 }, (_, i) => {
      const event = { id: `added-${partition}-${i}`, account: `b${partition}-${i % 20}`, amount: i % 100, at: Date.UTC(2026, 0, 1) + i * 500 };
      return { partition, key: event.account, value: JSON.stringify(event) };
    }));
    await until('the new partitions take records', () => system.sendAfresh(messages).then(() => true, () => false), { everyMs: 500 });
    await context.recovered();
    context.mustHappen('events of new partitions were committed', added.reduce((sum, partition) => sum + (context.monitor.committed.get(partition) ?? 0), 0), 1_000);
  },
};

export const rereadAfterExpiry: Row = {
  name: 'runs-and-group-deleted',
  about: 'all closed runs and the group are deleted, as after their retention, and everything is read again: no sink gets anything twice',
  async run(context) {
    const { system } = context;
    await context.load.stop();
    await context.drained();
    const before = new Set<string>();
    await withoutBridges(context, async () => {
      for await (const { workflowId, runId } of system.temporal.workflow.list({ query: "WorkflowType = 'processBatch'" })) {
        before.add(runId);
        await system.temporal.workflowService.deleteWorkflowExecution({ namespace: system.temporal.options.namespace, workflowExecution: { workflowId, runId } });
      }
      await until('runs are gone', async () => (await system.temporal.workflow.count("WorkflowType = 'processBatch'")).count === 0, { timeoutMs: 60_000 });
      await deleteGroup(context);
      // What was committed then were ends of runs that are no more.
      context.monitor.seen.length = 0;
      context.fault(`${before.size} runs and the group were deleted`);
    });
    await context.drained();
    let anew = 0;
    for await (const { runId } of system.temporal.workflow.list({ query: "WorkflowType = 'processBatch'" })) if (!before.has(runId)) anew++;
    context.mustHappen('batches were started anew for records that had been decided', anew, 5);
    context.load.start();
    await context.pause(3_000);
  },
};

export const topicRecreated: Row = {
  name: 'topic-recreated',
  about: 'the topic is deleted and made again under running bridges: its partitions halt and say so, and a new epoch begins anew',
  check: { skip: ['ledger', 'chain'] },
  async run(context) {
    const { system } = context;
    for (const bridge of system.bridges) bridge.watch('halted: ');
    await context.load.stop();
    await context.drained();
    for (const [partition, records] of await readTopic(system, system.topic)) context.archive.set(partition, records);
    await system.admin.deleteTopics({ topics: [system.topic] });
    context.fault('the topic was deleted and made again');
    await until('the topic is made again', () => system.admin.createTopics({ waitForLeaders: true, topics: [{ topic: system.topic, numPartitions: system.partitions }] }).catch(() => false), { everyMs: 300 });
    await system.sendAfresh(Array.from({ length: 100 }, (_, i) => ({ partition: i % system.partitions, key: `c${i}`, value: JSON.stringify({ id: `new-${i}`, account: `c${i}`, amount: i, at: Date.UTC(2026, 1, 1) }) })));
    await until('every partition halts', () => system.bridges.reduce((sum, bridge) => sum + bridge.seen('halted: '), 0) >= system.partitions, { detail: () => system.logs() });
    context.mustHappen('a partition halted', system.bridges.reduce((sum, bridge) => sum + bridge.seen('halted: '), 0), system.partitions);
    const decided = await system.countDecisions();
    if (decided !== context.load.sent) context.problems.push(`${decided} decisions while halted, of ${context.load.sent} events`);
    // What the operator is told to do.
    context.epoch = 1;
    system.configure({ HEADRACE_EPOCH: '1' });
    for (const member of [...system.bridges, ...system.workers]) {
      await member.stop();
      member.start();
    }
    await Promise.all([...system.bridges, ...system.workers].map((member) => member.ready()));
    await until('the new records are decided', async () => (await system.countDecisions()) >= decided + 100, { detail: () => system.logs() });
  },
};
