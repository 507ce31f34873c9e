import type { BatchRun, BatchRunsPort, OffsetRange } from '../contracts/batch-runs.ts';
import type { Chain } from '../contracts/event-key.ts';
import type { LedgerChain } from './ranges.ts';

/** What was found about one chain. Empty lists = nothing. */
export interface ChainReport extends Omit<LedgerChain, 'holes'> {
  /** The group's committed offset; null = none, undefined = not asked for. */
  committed?: number | null;
  /** Ranges that no batch has: neither the ledger nor Temporal knows of one. */
  holes: OffsetRange[];
  /** Where the committed offset is past the end of the last batch: those records were never started. */
  skipped?: OffsetRange;
  /** Batches there that are open, or have completed, and are not in the ledger yet. */
  unwritten: BatchRun[];
  /** Batches there that ended without completing. */
  incomplete: BatchRun[];
  /** Ranges that were not looked at, because there were too many batches before. */
  unexamined: OffsetRange[];
}

/** Batches that are looked up in Temporal for one chain, one after the other. */
const lookedUpMax = 200;

/**
 * Looks at what breaks a chain. The ledger is written beside the sinks, so what it lacks may be a batch that is under way: each
 * missing range is asked for in Temporal, batch by batch.
 */
export async function checkChain(
  ledger: LedgerChain,
  runs: Pick<BatchRunsPort, 'at'>,
  committed?: number | null,
): Promise<ChainReport> {
  const { holes, ...known } = ledger;
  const report: ChainReport = {
    ...known,
    overlaps: [...known.overlaps],
    committed,
    holes: [],
    unwritten: [],
    incomplete: [],
    unexamined: [],
  };
  const budget = { left: lookedUpMax };
  for (const hole of holes) {
    const missing = await lookUp(hole, ledger.chain, runs, report, budget);
    if (missing) report.holes.push(missing);
  }
  // Whoever commits has seen the batch scored, so a commit past the ledger's end is a batch under way, or one that never was.
  if (committed !== undefined && committed !== null && committed > ledger.span.to) {
    report.skipped = await lookUp({ from: ledger.span.to, to: committed }, ledger.chain, runs, report, budget);
  }
  return report;
}

/** Follows the batches of a range. Returns the part, from where they end, that has none. */
async function lookUp(
  { from, to }: OffsetRange,
  chain: Chain,
  runs: Pick<BatchRunsPort, 'at'>,
  report: ChainReport,
  budget: { left: number },
): Promise<OffsetRange | undefined> {
  let position = from;
  while (position < to) {
    if (budget.left-- <= 0) {
      report.unexamined.push({ from: position, to });
      return undefined;
    }
    const run = await runs.at(chain, position);
    if (!run || run.end <= position) return { from: position, to };
    (['RUNNING', 'PAUSED', 'COMPLETED'].includes(run.status) ? report.unwritten : report.incomplete).push(run);
    position = run.end;
  }
  if (position > to && to !== report.committed) report.overlaps.push({ from: to, to: position });
  return undefined;
}

/** True when something of the chain is not as it must be. An overlap is: each sink keeps one effect of it. */
export function isBroken({ holes, moreHoles, skipped, incomplete, unexamined }: ChainReport): boolean {
  return holes.length + moreHoles + incomplete.length + unexamined.length > 0 || skipped !== undefined;
}

/** Says which chains a newer epoch of their topic has made moot, as the ledger has it. */
export function supersededBy(ledger: readonly LedgerChain[]): (chain: Chain) => boolean {
  const topicOf = ({ pipeline, topic }: Chain) => `${pipeline}:${topic}`;
  const newest = new Map(ledger.map(({ chain }) => [topicOf(chain), chain.epoch]));
  return (chain) => chain.epoch < (newest.get(topicOf(chain)) ?? 0);
}
