import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import type { Row, RowContext } from '../row.ts';
import { seenBy } from './kills.ts';
import { withoutBridges } from './topic.ts';

const lostLine = 'retention deleted records before they were read';
/** How many records of the load are at least 64 KiB, which is where a lane is full. */
const laneLeast = 500;
const joinedLine = 'has joined the group';

/** Deletes every partition's records below an offset, as retention does, after they were kept aside. */
async function deleteBelow(context: RowContext, offsets: ReadonlyMap<number, number>): Promise<void> {
  const { system, archive } = context;
  for (const [partition, records] of await readTopic(system, system.topic)) archive.set(partition, records);
  await system.admin.deleteTopicRecords({
    topic: system.topic,
    partitions: [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset) })),
  });
}

/** What the bridges logged as lost, by partition. */
function saidLost({ system }: RowContext): Map<number, { from: number; to: number }> {
  const lines = system.bridges
    .flatMap(({ name }) => readFileSync(join(system.folder, 'logs', `${name}.log`), 'utf8').split('\n'))
    .filter((line) => line.includes(lostLine));
  return new Map(
    lines
      .map((line) => JSON.parse(line) as { partition: string; from: number; to: number })
      .map(({ partition, from, to }) => [Number(partition), { from, to }]),
  );
}

export const retentionWhileAway: Row = {
  name: 'offset-out-of-range',
  about:
    'records are deleted before they were read, while no bridge runs: what is lost is known to the record, and the chain goes on behind it',
  async run(context) {
    const { system } = context;
    await context.load.stop();
    await context.drained();
    await withoutBridges(context, async () => {
      const positions = new Map(context.monitor.committed);
      await context.load.burst(4_000);
      const cut = new Map(
        [...positions].map(([partition, position]) => [partition, position + context.random.whole(100, 400)]),
      );
      await deleteBelow(context, cut);
      for (const [partition, to] of cut) context.lost.set(partition, { from: positions.get(partition)!, to });
      context.fault('records above the position were deleted');
    });
    await context.recovered();
    const said = saidLost(context);
    for (const [partition, { from, to }] of context.lost) {
      const told = said.get(partition);
      if (told?.from !== from || told.to !== to)
        context.problems.push(
          `partition ${partition}: ${from} to ${to} is lost, and the bridge says ${JSON.stringify(told)}`,
        );
    }
    context.mustHappen('a bridge said what was lost', said.size, system.partitions);
    context.load.start();
    await context.pause(3_000);
  },
};

export const retentionWhileRunning: Row = {
  name: 'offset-out-of-range-running',
  about:
    'records are deleted that running bridges have not read, because their lanes are full: what the lanes hold is decided, and exactly what is lost is said',
  needs: { env: { HEADRACE_LANE_BYTES_MAX: '65536' } },
  async run(context) {
    const { system, load, monitor } = context;
    const { proxy } = system.servers.temporal;
    for (const bridge of system.bridges) bridge.watch(joinedLine);
    await load.stop();
    await context.drained();
    await proxy.set({ kind: 'refuse' });
    context.fault('temporal: refuse, so that the lanes fill');
    await load.burst(16_000, 400);
    await monitor.look();
    const positions = new Map(monitor.committed);
    const cut = new Map([...monitor.ends].map(([partition, end]) => [partition, end - context.random.whole(50, 300)]));
    await deleteBelow(context, cut);
    context.fault('records behind the full lanes were deleted');
    await proxy.heal();
    await until('every partition says what it has lost', () => saidLost(context).size >= system.partitions, {
      timeoutMs: 60_000,
      detail: () => system.logs(),
    });
    const said = saidLost(context);
    const held: number[] = [];
    for (const [partition, to] of cut) {
      const lost = said.get(partition);
      const position = positions.get(partition)!;
      if (!lost || lost.to !== to || lost.from < position || lost.from >= to) {
        context.problems.push(
          `partition ${partition}: records below ${to} were deleted, ${position} was the position, and the bridge says that ${JSON.stringify(lost)} is lost`,
        );
        continue;
      }
      context.lost.set(partition, lost);
      held.push(lost.from - position);
    }
    await context.recovered();
    context.mustHappen(
      'a full lane held records that were deleted, and decided them all the same',
      held.filter((count) => count >= laneLeast).length,
      system.partitions,
    );
    if (seenBy(system.bridges, joinedLine) > 0)
      context.problems.push('the group was rebalanced: it is not shown that a running consumer goes on');
    load.start();
    await context.pause(3_000);
  },
};
