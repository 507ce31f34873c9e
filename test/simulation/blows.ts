import { topicWorkflowIdPrefix } from '../../contracts/event-key.ts';
import { refOf, topic } from './events.ts';
import { FakeLog } from './fake-log.ts';
import type { World } from './world.ts';

const partitionsMax = 6;

/** Something that happens on purpose. Each ends by itself or is ended by `heal`. */
type Blow = (world: World) => void;

/** The steps in which a kill is told apart: see where they are named. */
export const windows = [
  'a start had not come to Temporal',
  'a start had come to Temporal, and its answer not back',
  'a commit had not come to the group',
  'the group had a commit, and its answer was not back',
];

const blows: Record<string, Blow> = {
  'bridge killed': ({ random, scheduler, hosts }) => {
    const host = random.pick(hosts);
    // Two of three are exact: each window around a start and a commit is hit often.
    const window = scheduler.nowMs % 6;
    if (window < windows.length) host.killAtStep(windows[window]!);
    else host.kill();
    scheduler.after(random.whole(50, 12_000), () => host.start());
  },
  'bridge frozen': ({ random, scheduler, hosts }) => {
    const host = random.pick(hosts);
    host.freeze();
    scheduler.after(random.pick([random.whole(200, 5_000), random.whole(9_000, 20_000)]), () => host.thaw());
  },
  'bridge stopped': ({ random, scheduler, hosts }) => {
    const host = random.pick(hosts);
    host.stop();
    scheduler.after(random.whole(5_000, 15_000), () => host.start());
  },
  'consumer crashed': ({ random, hosts }) => {
    const { source, process } = random.pick(hosts);
    process?.run(() => source?.crash());
  },
  'partitions moved': ({ group }) => group.rebalance(),
  'worker killed': ({ random, scheduler, workers }) => {
    for (const process of workers.processes) if (random.chance(0.6)) workers.kill(process);
    scheduler.after(random.whole(50, 8_000), () => workers.start());
  },
  'worker frozen': ({ random, scheduler, workers }) => {
    const process = random.pick(workers.processes.length > 0 ? workers.processes : [undefined]);
    process?.freeze();
    scheduler.after(random.whole(1_000, 15_000), () => process?.thaw());
  },
  'temporal down': ({ random, scheduler, temporal }) => {
    temporal.isDown = true;
    scheduler.after(random.whole(200, 10_000), () => (temporal.isDown = false));
  },
  'kafka down': (world) => {
    world.kafkaIsDown = true;
    world.scheduler.after(world.random.whole(200, 8_000), () => (world.kafkaIsDown = false));
  },
  retention: ({ random, logs, trace }) => {
    const log = random.pick(logs);
    log.deleteBelow(random.chance(0.5) ? log.end : random.whole(log.start, log.end));
    trace.tell(() => `log ${logs.indexOf(log)}: retention deletes below ${log.start}`);
  },
  compaction: ({ random, logs, trace }) => {
    const log = random.pick(logs);
    for (let i = random.whole(1, 5); i > 0 && log.end > 1; i--) {
      const offset = random.whole(log.start, Math.max(log.start, log.end - 2));
      trace.tell(() => `log ${logs.indexOf(log)}: compaction takes ${offset}`);
      if (offset < log.end - 1) log.compact(offset);
    }
  },
  'records unreadable': ({ random, scheduler, logs, trace }) => {
    const log = random.pick(logs);
    const from = random.whole(log.start, log.end);
    log.unreadableFrom = from;
    trace.tell(() => `log ${logs.indexOf(log)}: nothing can be read from ${from} on`);
    scheduler.after(random.whole(500, 15_000), () => (log.unreadableFrom = undefined));
  },
  'partition added': (world) => {
    const { random, scheduler, logs, group, trace } = world;
    if (logs.length >= partitionsMax) return;
    logs.push(new FakeLog());
    const partition = logs.length - 1;
    trace.tell(() => `partition ${partition} is added`);
    for (let i = random.whole(0, 4); i > 0; i--) world.produce(partition);
    scheduler.after(random.whole(100, 5_000), () => {
      if (world.isProduced) return;
      for (let i = random.whole(0, 4); i > 0; i--) world.produce(partition);
    });
    scheduler.after(random.whole(0, 5_000), () => group.rebalance());
  },
  'chains changed': ({ operator }) => operator.changeChains(),
  'leader changed': ({ random, scheduler, logs }) => {
    const log = random.pick(logs);
    log.namedEnd = random.whole(log.start, log.end);
    scheduler.after(random.whole(100, 1_500), () => (log.namedEnd = undefined));
  },
  'run terminated': ({ random, temporal }) => {
    const open = temporal.open().filter(({ isScored, secondTaskStarted }) => !isScored || secondTaskStarted);
    if (open.length > 0) temporal.terminate(random.pick(open));
  },
  'completed run reset': ({ random, temporal }) => {
    const completed = [...temporal.runs.values()]
      .map((runs) => runs.at(-1)!)
      .filter(({ status }) => status === 'COMPLETED');
    if (completed.length > 0) temporal.reset(random.pick(completed), true);
  },
  'closed runs deleted': ({ random, temporal, store, setting }) => {
    const share = random.next();
    // While a store is behind, what it has not seen must still be known: retention is longer than its repair takes.
    temporal.expire(({ memo }) => {
      const isApplied = memo.ranges.every(({ partition, end }) => {
        const appliedTo = store.appliedTo(refOf(partition)) ?? 0;
        return end <= appliedTo && (setting.startAt === 'earliest' || end < appliedTo);
      });
      return isApplied && random.chance(share);
    });
  },
  'store put back': (world) => {
    const { random, store, temporal, trace } = world;
    // A copy that is older than the retention of runs is beyond what is promised.
    const expired = temporal.everStarted.filter((run) => !temporal.runs.get(run.workflowId)?.includes(run));
    const ranges = expired.flatMap(({ memo }) => memo.ranges);
    const least = (partition: number) =>
      Math.max(0, ...ranges.filter((range) => range.partition === partition).map(({ end }) => end));
    void store.restore(random.next(), least).then((count) => {
      if (count > 0) trace.count('batches taken back');
      trace.tell(() => `store: ${count} batches are taken back`);
    });
  },
  'commits deleted': (world) => {
    const { random, group, logs, trace } = world;
    const partition = random.whole(0, logs.length - 1);
    if (isUnknown(world)) return;
    trace.tell(() => `group: the commit of partition ${partition} is deleted`);
    group.commits.delete(partition);
    if (random.chance(0.7)) group.rebalance();
  },
  'all read again': ({ random, group, temporal, store, ledger, setting, partitions, oracle, trace }) => {
    // With `latest` it would begin at the end; and nothing may be under way of what is forgotten.
    if (setting.startAt === 'latest') return;
    temporal.expire(({ memo }) =>
      memo.ranges.every(({ partition, end }) => end <= (store.appliedTo(refOf(partition)) ?? 0)),
    );
    ledger.clear();
    for (let partition = 0; partition < partitions; partition++) {
      oracle.walkedAgain.add(partition);
      if (random.chance(0.8)) group.commits.delete(partition);
    }
    trace.tell(() => 'group: commits and the ledger are deleted');
    group.rebalance();
  },
  'foreign commit': (world) => {
    const { random, group, logs, trace } = world;
    const partition = random.whole(0, logs.length - 1);
    if (isUnknown(world)) return;
    const offset = random.whole(logs[partition]!.start, logs[partition]!.end);
    trace.tell(() => `group: somebody else commits ${partition}@${offset}`);
    group.commits.set(partition, { offset, metadata: null });
    if (random.chance(0.7)) group.rebalance();
  },
  'model changed': (world) => void world.modelVersion++,
  'sink down': ({ random, scheduler, sinks }) => {
    const sink = random.pick([...sinks.effects.keys()]);
    sinks.down.add(sink);
    scheduler.after(random.whole(1_000, 12_000), () => sinks.down.delete(sink));
  },
};

export const blowNames = Object.keys(blows);

/** With `latest`, a topic of which neither the group nor Temporal knows anything begins at the end of the log: that is what was asked for. */
function isUnknown({ setting, temporal }: World): boolean {
  return setting.startAt === 'latest' && temporal.visible(topicWorkflowIdPrefix(topic)).length === 0;
}

/** Strikes with one of the blows. */
export function strike(world: World): void {
  const name = world.random.pick(blowNames);
  world.trace.count(name);
  world.trace.tell(() => `* ${name}`);
  blows[name]!(world);
}
