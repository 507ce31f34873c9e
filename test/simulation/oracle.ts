import { decodeCommitMetadata } from '../../bridge/commit-metadata.ts';
import type { Run } from './fake-temporal.ts';
import type { World } from './world.ts';

/** What is watched while a schedule runs. What must hold at its end is in check.ts. */
export class Oracle {
  readonly violations: string[] = [];
  /** Per partition: the end of the last batch that was started, and the position of the first one. */
  readonly startedTo = new Map<number, number>();
  readonly firstPosition = new Map<number, number>();
  /** Per partition: the furthest that was committed. A commit of an assignment before may still come after it. */
  readonly committedTo = new Map<number, number>();
  /** Partitions that are walked again, because all that knew of them is gone: batches may then overlap, and the markers make up for it. */
  readonly walkedAgain = new Set<number>();
  /** Partitions with an expired run of which, when its commit is lost too, nothing but the ledger tells. */
  readonly onlyInLedger = new Set<number>();
  /** What the bridges reported as lost to retention. */
  readonly lost: { partition: number; from: number; to: number }[] = [];

  constructor(private readonly world: World) {}

  violated(invariant: string, what: string): void {
    this.world.trace.tell(() => `VIOLATED ${invariant}: ${what}`);
    this.violations.push(`${invariant}: ${what}`);
  }

  started({ memo }: Run): void {
    for (const { partition, position, end } of memo.ranges) {
      if (!this.startedTo.has(partition)) this.firstPosition.set(partition, position);
      this.startedTo.set(partition, Math.max(this.startedTo.get(partition) ?? 0, end));
    }
  }

  /** The store was behind a partition, and folded what it lacked without effects: nothing but a store that was put back is behind. */
  caughtUp(range: { partition: number; from: number; to: number }): void {
    if (!this.world.trace.counts.has('batches taken back') && this.walkedAgain.size === 0)
      this.violated('I6', `partition ${range.partition}: the store is behind at ${range.from}, and nobody put it back`);
    this.lost.push(range);
  }

  /** The ledger did not answer. */
  withoutLedger(): void {
    for (const partition of this.onlyInLedger) this.walkedAgain.add(partition);
  }

  /** I4: a commit is never past the end of the last started batch, or the chain's first position. */
  committed(partition: number, offset: number, metadata: string): void {
    const log = this.world.logs[partition]!;
    this.committedTo.set(partition, Math.max(offset, this.committedTo.get(partition) ?? 0));
    const startedTo = this.startedTo.get(partition);
    const isFirst = decodeCommitMetadata(metadata)?.first === true;
    // A first position, the log's start or its end for `latest`, can come late: it is only believed while there are no runs.
    const first = this.world.setting.startAt === 'latest' ? log.end : log.start;
    const most = Math.max(startedTo ?? 0, isFirst ? first : 0);
    if (offset > most)
      this.violated('I4', `partition ${partition}: ${offset} is committed, and nothing behind ${most} was started`);
  }

  /** What a bridge commits in one assignment only goes forward: an older assignment's commit would make it go back. */
  commitsOf(source: string, partition: number, before: number | undefined, offset: number): void {
    // What somebody else has committed since says nothing; and a first position is put right once there are runs.
    const present = decodeCommitMetadata(this.world.group.commits.get(partition)?.metadata ?? null);
    if (!present || present.first) return;
    if (before !== undefined && offset < before)
      this.violated('I4', `${source} commits ${partition}@${offset} after ${before} in the same assignment`);
  }

  halted(partition: number, reason: string): void {
    if (!reason.includes('headrace redrive') && !reason.includes('cannot be read'))
      this.violated('I7', `partition ${partition} halted: ${reason}`);
  }
}
