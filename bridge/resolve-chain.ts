import type { ChainRef } from '../contracts/event-key.ts';
import type { LastRun, Starter } from '../temporal/starter.ts';
import type { ChainStart } from './chain-progress.ts';
import { lookUpDeadlineMs, type GroupState, type TrustedCommit } from './group-state.ts';
import type { LedgerEnd } from './ledger-ends.ts';
import type { PartitionStart } from './read-start.ts';

/** Where a chain goes on, and each of its partitions whose position is known by that. */
export interface ResolvedChain {
  start: ChainStart;
  partitions: ReadonlyMap<number, PartitionStart>;
}

type Commits = ReadonlyMap<number, TrustedCommit>;

/**
 * Finds where a chain goes on: behind the run of the highest committed number, else behind the highest that is listed; and behind a higher one where the ledger names it. That run
 * answers for all positions of the chain. Only where it is gone do commits and the ledger count, of each partition the greater; the chain then goes
 * on above the highest number that any of them names. Starts nothing.
 *
 * @param isOurs says which partitions belong to the chain
 */
export async function resolveChain(
  starter: Pick<Starter, 'lastRun'>,
  chain: ChainRef,
  group: Pick<GroupState, 'trusted' | 'ledgerEnds'>,
  isOurs: (partition: number) => boolean,
): Promise<ResolvedChain> {
  const commits = ofChain(await group.trusted(), isOurs);
  const committed = highest([...commits.values()].map(({ sequence }) => sequence));
  const run = await starter.lastRun(chain, committed, lookUpDeadlineMs);
  // Where the run is known that commits name, or a later one, the ledger being away holds nothing up: what it would add is at the worst
  // decided again, without effects.
  const ends = await group.ledgerEnds().catch((error: unknown) => {
    if (run && run.sequence >= (committed ?? 0)) return new Map<number, LedgerEnd>();
    throw error;
  });
  const ledger = ofChain(ends, isOurs);
  const recorded = highest([...ledger.values()].map((end) => (end.layout === chain.layout ? end.sequence : undefined)));
  const known = highest([committed, recorded]);
  // What is listed is some seconds late; and one that is older was left open, or re-driven, while those behind it have passed the retention.
  const last =
    known !== undefined && known !== committed && known > (run?.sequence ?? -1)
      ? await starter.lastRun(chain, known, lookUpDeadlineMs)
      : run;
  return last && last.sequence >= (known ?? 0) ? fromRun(last, commits) : fromCommits(commits, ledger, known);
}

function fromRun(run: LastRun, commits: Commits): ResolvedChain {
  const { sequence, isScored, startId, positions, ranges } = run;
  const untouched = new Set(run.untouched);
  const begins = new Map(Object.entries(positions).map(([partition, position]) => [Number(partition), position]));
  if (!isScored)
    for (const { partition, position, first } of ranges) {
      begins.set(partition, position);
      if (first) untouched.add(partition);
    }
  const partitions = new Map<number, PartitionStart>();
  for (const [partition, position] of begins) {
    const range = ranges.find((each) => each.partition === partition);
    const commit = commits.get(partition);
    const tail = range?.mark ?? (commit?.offset === position ? commit.tail : undefined);
    partitions.set(partition, { position, ofChain: true, ...(tail ? { tail } : {}) });
  }
  addUnknown(partitions, untouched, commits);
  // Not known to be scored: the same number comes again, which finds the run and waits for it.
  const next = isScored ? { sequence: sequence + 1, after: startId } : { sequence };
  return resolved(next, partitions, untouched);
}

function fromCommits(
  commits: Commits,
  ledger: ReadonlyMap<number, LedgerEnd>,
  known: number | undefined,
): ResolvedChain {
  const partitions = new Map<number, PartitionStart>();
  for (const [partition, { end }] of ledger) partitions.set(partition, { position: end, ofChain: false });
  const untouched = new Set<number>();
  for (const [partition, { offset, tail, first }] of commits) {
    if (offset < (ledger.get(partition)?.end ?? 0)) continue;
    partitions.set(partition, { position: offset, ofChain: false, ...(tail ? { tail } : {}) });
    if (first && !ledger.has(partition)) untouched.add(partition);
  }
  return resolved({ sequence: known === undefined ? 0 : known + 1 }, partitions, untouched);
}

/** A partition that the last run lacks is new; somebody may have committed where it begins. */
function addUnknown(partitions: Map<number, PartitionStart>, untouched: Set<number>, commits: Commits): void {
  for (const [partition, { offset, tail }] of commits) {
    if (partitions.has(partition)) continue;
    partitions.set(partition, { position: offset, ofChain: false, ...(tail ? { tail } : {}) });
    untouched.add(partition);
  }
}

function resolved(
  next: Pick<ChainStart, 'sequence' | 'after'>,
  partitions: ReadonlyMap<number, PartitionStart>,
  untouched: ReadonlySet<number>,
): ResolvedChain {
  const positions = Object.fromEntries([...partitions].map(([partition, { position }]) => [partition, position]));
  return { start: { ...next, positions, untouched: [...untouched] }, partitions };
}

function ofChain<T>(all: ReadonlyMap<number, T>, isOurs: (partition: number) => boolean): ReadonlyMap<number, T> {
  return new Map([...all].filter(([partition]) => isOurs(partition)));
}

function highest(numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((number) => number !== undefined);
  return known.length === 0 ? undefined : known.reduce((most, number) => Math.max(most, number));
}
