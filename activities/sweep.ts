import { heartbeat } from '@temporalio/activity';
import type { BatchRun, BatchRunsPort, OffsetRange } from '../contracts/batch-runs.ts';
import type { Chain } from '../contracts/event-key.ts';
import { checkChain, withoutSuperseded, type ChainReport } from '../database/check-chains.ts';
import type { Pool } from '../database/pool.ts';
import { createRangeWriter, mergeOldRanges, readLedger } from '../database/ranges.ts';
import { toApplicationFailure } from './failure.ts';

/** The activity of the sweep, as its workflow sees it. */
export interface SweepActivities {
  /** Checks every chain, adds to the range ledger what it lacks, and merges its old rows. Re-drives nothing. */
  sweepChains(): Promise<SweepResult>;
}

/** What a sweep found; of each list the first ones. */
export interface SweepResult {
  chains: number;
  /** Batches that ended without completing. */
  incomplete: { workflowId: string; status: string }[];
  moreIncomplete: boolean;
  holes: (Chain & OffsetRange)[];
  overlaps: (Chain & OffsetRange)[];
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
}

/** What else a row of the ledger says, Temporal says too; so rows need not stay apart for longer. */
const mergedAfterSeconds = 3_600;
const incompleteMax = 1_000;
const listedMax = 20;
const heartbeatMs = 5_000;

export function createSweepActivities({ pool, deployment, pipelines, runs, onSwept }: SweepOptions & { pool: Pool }): SweepActivities {
  const addRange = createRangeWriter(pool);

  async function sweep(): Promise<SweepResult> {
    const closed = await runs.incomplete(incompleteMax);
    const ledger = await readLedger(pool, deployment);
    const reports: ChainReport[] = [];
    for (const chain of ledger) reports.push(await checkChain(chain, runs));
    const completed = reports.flatMap(({ unwritten }) => unwritten).filter(({ status }) => status === 'COMPLETED');
    for (const { chain, position, end, count } of completed) await addRange(chain, { position, end, count });
    const merged = await mergeOldRanges(pool, mergedAfterSeconds);

    const incomplete = distinct([...withoutSuperseded(closed.runs, ledger), ...reports.flatMap((report) => report.incomplete)]);
    const placed = (of: (report: ChainReport) => OffsetRange[]) => reports.flatMap((report) => of(report).map((range) => ({ ...report.chain, ...range })));
    const holes = placed((report) => report.holes);
    const overlaps = placed((report) => report.overlaps);
    onSwept(countByPipeline(pipelines, { incomplete: incomplete.map(({ chain }) => chain), holes, overlaps }));
    return {
      chains: ledger.length,
      incomplete: incomplete.slice(0, listedMax).map(({ workflowId, status }) => ({ workflowId, status })),
      moreIncomplete: closed.more || incomplete.length > listedMax,
      holes: holes.slice(0, listedMax),
      overlaps: overlaps.slice(0, listedMax),
      added: completed.length,
      merged,
    };
  }

  return {
    async sweepChains() {
      const beating = setInterval(heartbeat, heartbeatMs);
      try {
        return await sweep();
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

function countByPipeline(pipelines: readonly string[], found: Record<keyof SweepCounts, readonly Chain[]>): Map<string, SweepCounts> {
  const counts = new Map<string, SweepCounts>(pipelines.map((name) => [name, { incomplete: 0, holes: 0, overlaps: 0 }]));
  for (const what of ['incomplete', 'holes', 'overlaps'] as const) {
    for (const { pipeline } of found[what]) {
      const count = counts.get(pipeline) ?? { incomplete: 0, holes: 0, overlaps: 0 };
      count[what]++;
      counts.set(pipeline, count);
    }
  }
  return counts;
}
