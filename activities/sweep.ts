import { heartbeat, log } from '../temporal/activity.ts';
import { messageOf } from '../lib/error-text.ts';
import type { BatchRun, BatchRunsPort, OffsetRange } from '../contracts/batch-runs.ts';
import type { PartitionRef, PipelineScope } from '../contracts/event-key.ts';
import { forgetDecisions } from '../database/decisions.ts';
import type { Pool } from '../database/pool.ts';
import { forgetFiles } from '../lake/forget.ts';
import { createPartitionCheck, supersededBy, type PartitionReport } from '../ledger/check-partitions.ts';
import { createRangeWriter, mergeOldRanges } from '../ledger/ranges.ts';
import { readLedger } from '../ledger/read-ledger.ts';
import { toApplicationFailure } from '../temporal/failure.ts';
import { heartbeats } from '../contracts/timeouts.ts';

/** The activity of the sweep, as its workflow sees it. */
export interface SweepActivities {
  /** Merges old rows of the range ledger, checks every partition, adds what the ledger lacks, and deletes decisions that are too old. Re-drives nothing. */
  sweepChains(): Promise<SweepResult>;
}

/** What a sweep found; of each list the first ones. */
export interface SweepResult {
  partitions: number;
  /** Batches that ended without completing. */
  incomplete: { workflowId: string; status: string }[];
  moreIncomplete: boolean;
  /** So many runs ended, re-driven ones among them, that not all could be looked at. */
  unexaminedIncomplete: boolean;
  holes: (PartitionRef & OffsetRange)[];
  /** How many others there are, those among them that were not looked up in Temporal. */
  moreHoles: number;
  overlaps: (PartitionRef & OffsetRange)[];
  /** Batches that the ledger lacked, and has now. */
  added: number;
  /** Rows of the ledger that were merged into others. */
  merged: number;
}

/** Numbers of one pipeline, for metrics. */
export interface SweepCounts {
  incomplete: number;
  holes: number;
  overlaps: number;
}

export interface SweepOptions {
  deployment: string;
  /** Those that are reported with zeros when there is nothing to tell. */
  pipelines: readonly string[];
  runs: BatchRunsPort;
  onSwept(counts: ReadonlyMap<string, SweepCounts>): void;
  /** How long lake and dashboard keep decisions; absent = for ever. */
  retentionHours?: number;
  lakeRoot: string;
}

/** What else a row of the ledger says, Temporal says too; so rows need not stay apart for longer. */
const mergedAfterSeconds = 3_600;
const incompleteMax = 1_000;
const listedMax = 20;

export function createSweepActivities({
  pool,
  deployment,
  pipelines,
  runs,
  onSwept,
  retentionHours,
  lakeRoot,
}: SweepOptions & { pool: Pool }): SweepActivities {
  const addRanges = createRangeWriter(pool);

  async function sweep(): Promise<SweepResult> {
    // Before anything is asked of Temporal: the ledger must not grow for as long as look-ups fail.
    const merged = await mergeOldRanges(pool, mergedAfterSeconds);
    const ledger = await readLedger(pool, deployment);
    const closed = await runs.incomplete(incompleteMax, supersededBy(ledger));
    const check = createPartitionCheck(runs, closed.runs);
    const reports: PartitionReport[] = [];
    for (const partition of ledger) reports.push(await check(partition));
    const unwritten = distinct(reports.flatMap((report) => report.unwritten));
    const completed = unwritten.filter(({ status }) => status === 'COMPLETED');
    for (const { chain, sequence, ranges } of completed) await addRanges({ ...chain, sequence, ranges });

    const incomplete = distinct([...closed.runs, ...reports.flatMap((report) => report.incomplete)]);
    const placed = (of: (report: PartitionReport) => OffsetRange[]) =>
      reports.flatMap((report) => of(report).map((range) => ({ ...report.partition, ...range })));
    const holes = placed((report) => report.holes);
    const overlaps = placed((report) => report.overlaps);
    const counts = countByPipeline(pipelines, { incomplete: incomplete.map(({ chain }) => chain), holes, overlaps });
    for (const { partition, moreHoles } of reports) countOf(counts, partition.pipeline).holes += moreHoles;
    onSwept(counts);
    return {
      partitions: ledger.length,
      incomplete: incomplete.slice(0, listedMax).map(({ workflowId, status }) => ({ workflowId, status })),
      moreIncomplete: closed.more || incomplete.length > listedMax,
      unexaminedIncomplete: closed.unexamined,
      holes: holes.slice(0, listedMax),
      moreHoles: reports.reduce((sum, { moreHoles }) => sum + moreHoles, Math.max(0, holes.length - listedMax)),
      overlaps: overlaps.slice(0, listedMax),
      added: completed.length,
      merged,
    };
  }

  /** What fails is tried at the next sweep: it must not hide what this one found. */
  async function forget(): Promise<void> {
    if (retentionHours === undefined) return;
    const beforeMs = Date.now() - retentionHours * 3_600_000;
    for (const forgetting of [
      () => forgetDecisions(pool, deployment, retentionHours * 3_600),
      () => forgetFiles({ root: lakeRoot, deployment, beforeMs }),
    ]) {
      await forgetting().catch((error: unknown) => log.warn(`old decisions are not deleted: ${messageOf(error)}`));
    }
  }

  return {
    async sweepChains() {
      const beating = setInterval(heartbeat, heartbeats.upkeep.everyMs);
      try {
        const found = await sweep();
        await forget();
        return found;
      } catch (error) {
        throw toApplicationFailure(error);
      } finally {
        clearInterval(beating);
      }
    },
  };
}

function distinct(runs: readonly BatchRun[]): BatchRun[] {
  return [...new Map(runs.map((run) => [run.workflowId, run])).values()];
}

function countByPipeline(
  pipelines: readonly string[],
  found: Record<keyof SweepCounts, readonly PipelineScope[]>,
): Map<string, SweepCounts> {
  const counts = new Map<string, SweepCounts>(
    pipelines.map((name) => [name, { incomplete: 0, holes: 0, overlaps: 0 }]),
  );
  for (const what of ['incomplete', 'holes', 'overlaps'] as const)
    for (const { pipeline } of found[what]) countOf(counts, pipeline)[what]++;
  return counts;
}

/** Also of a pipeline that this worker does not have. */
function countOf(counts: Map<string, SweepCounts>, pipeline: string): SweepCounts {
  const count = counts.get(pipeline) ?? { incomplete: 0, holes: 0, overlaps: 0 };
  counts.set(pipeline, count);
  return count;
}
