import { batchWorkflowId } from '../../contracts/event-key.ts';
import { foldLogKey } from './batch-steps.ts';
import { refOf } from './events.ts';
import { deadLetters, sinkNames } from './fake-sinks.ts';
import type { World } from './world.ts';

/** Nothing is left to do: the last record of each partition is committed, and every run is complete. */
export function isDone({ isProduced, oracle, temporal, logs }: World): boolean {
  if (!isProduced || temporal.open().length > 0 || temporal.closedIncomplete().length > 0) return false;
  return logs.every(({ end }, partition) => oracle.committedTo.get(partition) === end);
}

/** What must hold once everything is healed and done. */
export async function check(world: World): Promise<void> {
  const mayOverlap = findOverlapping(world);
  checkPositions(world, mayOverlap);
  for (let partition = 0; partition < world.partitions; partition++) {
    const base = world.oracle.firstPosition.get(partition);
    if (base === undefined) {
      // With `latest`, a partition may begin behind all that was written.
      if (world.setting.startAt === 'earliest') world.oracle.violated('I7', `partition ${partition} was never begun`);
      continue;
    }
    checkEffects(world, partition, base);
    checkRanges(world, partition, base, mayOverlap);
    await checkFolds(world, partition, base);
  }
}

/** I1 and I2: each record has its effect in every sink whose condition selects it, or a dead letter; and the sinks agree. */
function checkEffects({ logs, sinks, oracle }: World, partition: number, base: number): void {
  const log = logs[partition]!;
  const isLost = (offset: number) =>
    offset < log.start &&
    oracle.lost.some(({ partition: where, from, to }) => where === partition && offset >= from && offset < to);
  log.entries.forEach((entry, offset) => {
    const [dashboard, lake, review] = sinkNames.map((sink) => sinks.effect(sink, partition, offset));
    const letter = sinks.effect(deadLetters, partition, offset);
    const what = `partition ${partition}, offset ${offset}`;
    if (dashboard !== lake) oracle.violated('I2', `${what}: the dashboard has ${dashboard}, the lake has ${lake}`);
    if (review !== (dashboard?.startsWith('review') ? dashboard : undefined))
      oracle.violated('I2', `${what}: the dashboard has ${dashboard}, review has ${review}`);
    if (dashboard !== undefined && letter !== undefined)
      oracle.violated('I2', `${what}: has an effect and a dead letter`);
    if (entry.kind === 'control' || entry.kind === 'aborted') {
      if (dashboard !== undefined || letter !== undefined)
        oracle.violated('I2', `${what}: no reader may see it, and it has an effect`);
    }
    if (entry.kind !== 'record' || offset < base) return;
    if ((entry.isPoison ? letter : dashboard) === undefined && !isLost(offset))
      oracle.violated('I1', `${what}: has no ${entry.isPoison ? 'dead letter' : 'effect'}`);
  });
}

interface StartedRange {
  layout: number;
  position: number;
  end: number;
  first?: true;
}

/** I3: the ranges of a partition merge into one span. */
function checkRanges(
  { temporal, oracle, logs }: World,
  partition: number,
  base: number,
  mayOverlap: (partition: number) => boolean,
): void {
  const started = temporal.everStarted.flatMap((run): StartedRange[] =>
    run.memo.ranges
      .filter((range) => range.partition === partition)
      .map((range) => ({ ...range, layout: run.batch.layout })),
  );
  const ranges = [
    ...new Map(started.map((range) => [`${range.layout}:${range.position}-${range.end}`, range])).values(),
  ];
  ranges.sort((a, b) => a.position - b.position || a.end - b.end);
  let reached = base;
  let reachedIn = 0;
  for (const { layout, position, end } of ranges) {
    const isLost = oracle.lost.some(
      (lost) => lost.partition === partition && lost.from <= reached && lost.to >= position,
    );
    if (position > reached && !isLost)
      oracle.violated('I3', `partition ${partition}: nothing was started for [${reached}, ${position})`);
    // The start of a bridge that was killed can come after the operator has set another number of chains: the markers make up for it.
    if (position < reached && !mayOverlap(partition) && layout === reachedIn)
      oracle.violated('I3', `partition ${partition}: [${position}, ${end}) overlaps with what reaches to ${reached}`);
    if (end > reached) reachedIn = layout;
    reached = Math.max(reached, end);
  }
  if (reached < logs[partition]!.end)
    oracle.violated('I3', `partition ${partition}: the chain ends at ${reached}, the log at ${logs[partition]!.end}`);
}

/** Says of which partitions batches may overlap: those that are walked again, or were begun twice. */
function findOverlapping({ temporal, oracle, partitions }: World): (partition: number) => boolean {
  const found = Array.from(
    { length: partitions },
    (_, partition) => oracle.walkedAgain.has(partition) || isBegunTwice(temporal, partition),
  );
  return (partition) => found[partition]!;
}

/** With `latest`, or when somebody else has committed, two owners can begin a partition at different positions, before either knows of the other. */
function isBegunTwice(temporal: World['temporal'], partition: number): boolean {
  const beginnings = temporal.everStarted.flatMap(({ batch: { layout }, memo }) =>
    memo.ranges
      .filter((range) => range.first && range.partition === partition)
      .map(({ position, end }) => `${layout}:${position}-${end}`),
  );
  return new Set(beginnings).size > 1;
}

/** I3: of each batch and the one before it, `positions(s) = positions(s-1) + ranges(s)`. */
function checkPositions({ temporal, oracle }: World, mayOverlap: (partition: number) => boolean): void {
  const runs = new Map(temporal.everStarted.map((run) => [run.workflowId, run]));
  const order = new Map(temporal.everStarted.map((run, at) => [run, at]));
  for (const run of runs.values()) {
    const { batch, memo, workflowId } = run;
    const before = runs.get(batchWorkflowId(batch, batch.sequence - 1));
    // A batch that is older than the one before it is of an earlier walk, of which the new one knows nothing.
    if (!before || (oracle.walkedAgain.size > 0 && order.get(before)! > order.get(run)!)) continue;
    const ends = new Map(memo.ranges.map(({ partition, end }) => [partition, end]));
    for (const [key, position] of Object.entries(before.memo.positions)) {
      const partition = Number(key);
      // Where nothing of a partition was in a batch, its first position may have been found anew.
      if (mayOverlap(partition) || before.memo.untouched?.includes(partition)) continue;
      const expected = ends.get(partition) ?? position;
      const found = memo.positions[partition];
      if (found !== expected)
        oracle.violated('I3', `${workflowId}: partition ${partition} is at ${found} behind it, and not at ${expected}`);
    }
    for (const { partition, position } of memo.ranges) {
      const expected = before.memo.untouched?.includes(partition) ? undefined : before.memo.positions[partition];
      if (!mayOverlap(partition) && expected !== undefined && position !== expected)
        oracle.violated('I3', `${workflowId}: partition ${partition} begins at ${position}, and not at ${expected}`);
    }
  }
}

/** I5 and I6: events were folded in offset order, exactly once, and each row saw what was folded before it. */
async function checkFolds(
  { store, logs, oracle, sinks, trace }: World,
  partition: number,
  base: number,
): Promise<void> {
  const folded = [...(await store.read(refOf(partition), foldLogKey(partition)))];
  folded.forEach((offset, i) => {
    if (i > 0 && offset <= folded[i - 1]!)
      oracle.violated('I5', `partition ${partition}: offset ${offset} is folded after ${folded[i - 1]}`);
  });
  const log = logs[partition]!;
  const inFolded = new Set(folded);
  log.entries.forEach((entry, offset) => {
    if (entry.kind === 'record' && !entry.isPoison && offset >= base && offset >= log.start && !inFolded.has(offset))
      oracle.violated('I5', `partition ${partition}: offset ${offset} is not folded`);
  });
  // After the store was put back, what is gone from the log cannot be folded again; and what lies before the chain's beginning is folded too.
  if (
    trace.counts.has('batches taken back') &&
    (base > 0 || trace.counts.has('retention') || trace.counts.has('compaction'))
  )
    return;
  folded.forEach((offset, i) => {
    const effect = sinks.effect('dashboard', partition, offset);
    if (effect !== undefined && !effect.endsWith(`seen ${i + 1}`))
      oracle.violated(
        'I6',
        `partition ${partition}, offset ${offset}: ${effect}, but it is event ${i + 1} of its account`,
      );
  });
}
