import type { BatchRun, BatchRunsPort, OffsetRange } from '../contracts/batch-runs.ts';
import {
  batchWorkflowId,
  chainOf,
  partitionId,
  partitionOf,
  type ChainRef,
  type TopicRef,
} from '../contracts/event-key.ts';
import type { CommitMetadata } from '../contracts/schemas/commit-metadata.ts';
import type { LedgerBatch, LedgerPartition } from './read-ledger.ts';

/** What was found about one partition. Empty lists = nothing. */
export interface PartitionReport extends Omit<LedgerPartition, 'holes'> {
  /** The group's committed offset; null = none, undefined = not asked for. */
  committed?: number | null;
  /** Offsets that no batch has: neither the ledger nor Temporal knows of one. */
  holes: OffsetRange[];
  /** Where the committed offset is past the end of the last batch: those records were never started. */
  skipped?: OffsetRange;
  /** Batches with offsets that the ledger lacks: they are open, or have completed. */
  unwritten: BatchRun[];
  /** Such batches that ended without completing. */
  incomplete: BatchRun[];
  /** Offsets that were not looked for any further, because there were too many batches to ask for. */
  unexamined: OffsetRange[];
}

/** What a group has committed of a partition. */
export interface PartitionCommit {
  offset: number;
  /** Absent when somebody else than the bridge committed. */
  metadata?: CommitMetadata;
}

/** Checks one partition. @param commit undefined = not asked for, null = there is none */
export type CheckPartition = (ledger: LedgerPartition, commit?: PartitionCommit | null) => Promise<PartitionReport>;

/** Batches that are looked up in Temporal for one partition; those that were for another one of its chain are known already. */
const lookedUpMax = 200;
/** Of fewer batches between two each is asked for. */
const searchedMin = 16;
/** Batches that are remembered for the other partitions of their chain. */
const rememberedMax = 2_000;

/**
 * A check that asks for each batch once, however many partitions it has. The ledger is written beside the sinks, so what it lacks may
 * be a batch that is under way: the batches that may have it are asked for in Temporal, by the sequences around it.
 * @param known batches that were found otherwise: what they have is looked for in no other
 */
export function createPartitionCheck(runs: Pick<BatchRunsPort, 'of'>, known: readonly BatchRun[] = []): CheckPartition {
  const asked = new Map<string, BatchRun | undefined>(known.map((run) => [run.workflowId, run]));
  const knownOf = byPartition(known);
  return async ({ holes, ...ledger }, commit) => {
    const budget = { left: lookedUpMax };
    const find: FindRun = async (chain, sequence) => {
      const id = batchWorkflowId(chain, sequence);
      if (asked.has(id)) return asked.get(id);
      if (budget.left-- <= 0) return 'not asked';
      const run = await runs.of(chain, sequence);
      if (asked.size >= rememberedMax) asked.clear();
      asked.set(id, run);
      return run;
    };
    const report: PartitionReport = {
      ...ledger,
      overlaps: [...ledger.overlaps],
      committed: commit === null ? null : commit?.offset,
      holes: [],
      unwritten: [],
      incomplete: [],
      unexamined: [],
    };
    const { partition, span, last } = ledger;
    const explain = (range: OffsetRange, walks: readonly Walk[]) =>
      walkOver(walks, find, leftOf(range, report, knownOf.get(partitionId(partition)) ?? []), report);
    for (const { from, to, before, behind } of holes)
      report.holes.push(...(await explain({ from, to }, walksBetween(partition, before, behind))));
    // Whoever commits has seen the batch scored, so a commit past the ledger's end is a batch under way, or one that never was.
    // What is committed for a newer epoch says nothing of this one.
    const isNewer = (commit?.metadata?.epoch ?? 0) > partition.epoch;
    if (commit && !isNewer && commit.offset > span.to) {
      const range = { from: span.to, to: commit.offset };
      const [first, ...others] = await explain(range, walksBehind(partition, last, commit.metadata));
      if (first) report.skipped = { from: first.from, to: others.at(-1)?.to ?? first.to };
    }
    return report;
  };
}

function byPartition(runs: readonly BatchRun[]): Map<string, BatchRun[]> {
  const found = new Map<string, BatchRun[]>();
  for (const run of runs) {
    for (const { partition } of run.ranges) {
      const place = partitionId(partitionOf(run.chain, partition));
      found.set(place, [...(found.get(place) ?? []), run]);
    }
  }
  return found;
}

/** Undefined = there is no such run. */
type FindRun = (chain: ChainRef, sequence: number) => Promise<BatchRun | undefined | 'not asked'>;

/** Sequences of a chain, one after the other. */
interface Walk {
  chain: ChainRef;
  from: number;
  step: 1 | -1;
  /** The last one; without it the walk ends where there is no run. */
  to?: number;
}

function walksBetween(topic: TopicRef, before: LedgerBatch, behind: LedgerBatch): Walk[] {
  if (before.layout === behind.layout && before.sequence < behind.sequence)
    return [{ chain: chainRefOf(topic, before), from: before.sequence + 1, step: 1, to: behind.sequence - 1 }];
  return [
    { chain: chainRefOf(topic, before), from: before.sequence + 1, step: 1 },
    { chain: chainRefOf(topic, behind), from: behind.sequence - 1, step: -1, to: 0 },
  ];
}

function walksBehind(
  { partition, ...topic }: PartitionReport['partition'],
  last: LedgerBatch,
  metadata?: CommitMetadata,
): Walk[] {
  const upwards: Walk = { chain: chainRefOf(topic, last), from: last.sequence + 1, step: 1 };
  if (metadata?.sequence === undefined || metadata.epoch !== topic.epoch) return [upwards];
  const { layout, chains, sequence } = metadata;
  const downwards = (to: number): Walk => ({
    chain: { ...topic, layout, chain: chainOf(partition, chains) },
    from: sequence,
    step: -1,
    to,
  });
  // A partition that was silent for long: batches of the others, which Temporal may have forgotten, lie between, and the commit names its own.
  if (layout === last.layout && sequence > last.sequence) return [downwards(last.sequence + 1)];
  return layout > last.layout ? [upwards, downwards(0)] : [upwards];
}

function chainRefOf({ deployment, pipeline, epoch, topic }: TopicRef, { layout, chain }: LedgerBatch): ChainRef {
  return { deployment, pipeline, epoch, topic, layout, chain };
}

/** What nobody has of some offsets yet. */
interface Left {
  range: OffsetRange;
  parts: OffsetRange[];
}

function leftOf(range: OffsetRange, report: PartitionReport, known: readonly BatchRun[]): Left {
  const left: Left = { range, parts: [range] };
  for (const run of known) take(run, left, report);
  return left;
}

/** Looks for the batches that have what is left. Returns the parts that none has. */
async function walkOver(
  walks: readonly Walk[],
  find: FindRun,
  left: Left,
  report: PartitionReport,
): Promise<OffsetRange[]> {
  for (const walk of walks) {
    if (left.parts.length === 0) break;
    for (const each of await nearestFirst(walk, find, left.parts[0]!.from, report)) {
      if (await walkOne(each, find, left, report)) continue;
      report.unexamined.push(...left.parts);
      return [];
    }
  }
  return left.parts;
}

/** Returns false when not all of it could be asked for. */
async function walkOne(
  { chain, from, step, to }: Walk,
  find: FindRun,
  left: Left,
  report: PartitionReport,
): Promise<boolean> {
  const isOn = (sequence: number) => to === undefined || (to - sequence) * step >= 0;
  for (let sequence = from; left.parts.length > 0 && isOn(sequence); sequence += step) {
    const run = await find(chain, sequence);
    if (run === 'not asked') return false;
    if (run) take(run, left, report);
    else if (to === undefined) break;
  }
  return true;
}

/**
 * A long walk between two batches, so that it begins where the positions that batches tell reach past an offset. Of batches that Temporal has
 * forgotten nothing can be said: they are mostly older.
 */
async function nearestFirst(
  walk: Walk,
  find: FindRun,
  offset: number,
  { partition }: PartitionReport,
): Promise<Walk[]> {
  const { chain, from, step, to } = walk;
  if (step < 0 || to === undefined || to - from < searchedMin) return [walk];
  let [first, last] = [from, to];
  while (first < last) {
    const middle = Math.floor((first + last) / 2);
    const run = await find(chain, middle);
    if (run === 'not asked') return [walk];
    if ((run?.positions[partition.partition] ?? -1) > offset) last = middle;
    else first = middle + 1;
  }
  return [
    { ...walk, from: first },
    { ...walk, to: first - 1 },
  ];
}

/** Takes what a batch has from what is left. */
function take(run: BatchRun, left: Left, report: PartitionReport): void {
  const own = run.ranges.find(({ partition }) => partition === report.partition.partition);
  if (!own || !left.parts.some(({ from, to }) => own.position < to && own.end > from)) return;
  (['RUNNING', 'PAUSED', 'COMPLETED'].includes(run.status) ? report.unwritten : report.incomplete).push(run);
  left.parts = left.parts.flatMap((part) => without(part, own.position, own.end));
  const { from, to } = left.range;
  if (own.position < from) report.overlaps.push({ from: own.position, to: from });
  if (own.end > to && to !== report.committed) report.overlaps.push({ from: to, to: own.end });
}

/** What is left of a range. */
function without({ from, to }: OffsetRange, position: number, end: number): OffsetRange[] {
  return [
    { from, to: Math.min(to, position) },
    { from: Math.max(from, end), to },
  ].filter((part) => part.from < part.to);
}

/** True when something of the partition is not as it must be. An overlap is: each sink keeps one effect of it. */
export function isBroken({ holes, moreHoles, skipped, incomplete, unexamined }: PartitionReport): boolean {
  return holes.length + moreHoles + incomplete.length + unexamined.length > 0 || skipped !== undefined;
}

/** Says which topics a newer epoch of the same one has made moot, as the ledger has it. */
export function supersededBy(ledger: readonly LedgerPartition[]): (topic: TopicRef) => boolean {
  const nameOf = ({ pipeline, topic }: TopicRef) => `${pipeline}:${topic}`;
  const newest = new Map(ledger.map(({ partition }) => [nameOf(partition), partition.epoch]));
  return (topic) => topic.epoch < (newest.get(nameOf(topic)) ?? 0);
}
