import type { PartitionRef } from '../contracts/event-key.ts';
import { recordHash, type CommitMetadata } from './commit-metadata.ts';
import type { Fetch } from '../kafka/source.ts';

/** What to do about a fetch that does not continue its lane. */
export type OffsetGap =
  /** Ask for the lane's tail once more. */
  | { kind: 'ask_again' }
  /** Retention deleted `[from, to)` before it was read. */
  | { kind: 'lost'; from: number; to: number }
  /** The log has a legal gap up to here: compaction, aborted transactions. */
  | { kind: 'skip'; to: number }
  /** What was read is no longer in the log. */
  | { kind: 'halt'; reason: string };

/**
 * Judges a fetch by the log itself. Below the tail: the log may have been cut. Above: nothing but the log's start can tell a
 * legal gap from a loss; and as a stale answer looks the same, the first time (`askedBefore` false) the tail is asked for again.
 */
export function findOffsetGap(
  fetchedOffset: number,
  tail: number,
  log: { start: number; end: number },
  askedBefore: boolean,
): OffsetGap {
  if (log.end < tail) return { kind: 'halt', reason: truncatedReason(log.end, tail) };
  if (log.start > tail) return { kind: 'lost', from: tail, to: log.start };
  if (fetchedOffset > tail && askedBefore) return { kind: 'skip', to: fetchedOffset };
  return { kind: 'ask_again' };
}

/** Why a log that ends below what was read is not the one that it was. */
export function truncatedReason(end: number, tail: number): string {
  return `the log ends at ${end}, below offset ${tail} that was read already: the topic was truncated or recreated`;
}

/** What an operator can do about a log that is not the one that it was: what it holds then gets event keys, and effects, of its own. */
export function beginAnew({ pipeline, partition }: PartitionRef): string {
  return `Stop the bridges, run npx headrace epoch bump --pipeline ${pipeline} --start earliest --partition ${partition} (with all other partitions where the topic was recreated; with --start latest where only its end was cut off), and start the bridges again`;
}

const askAgainMax = 1;

/** What a fetch says about that record. */
export type TailVerdict =
  /** It is the one that it was. */
  | 'same'
  /** Another record stands at its offset. */
  | 'other'
  /** The fetch does not cover its offset; a stale answer looks like that. */
  | 'ask_again'
  /** Compaction or retention has taken it: nothing can be said. */
  | 'gone';

/** After an assignment, a record that a batch of the chain had must still be where it was. */
export class TailCheck {
  #asked = 0;

  constructor(
    private readonly expected: NonNullable<CommitMetadata['tail']>,
    /** Where the first fetch must begin. */
    readonly readFrom: number,
  ) {}

  get offset(): number {
    return this.expected.offset;
  }

  judge(fetch: Fetch): TailVerdict {
    const covered = fetch.fetchedOffset <= this.offset && fetch.endOffset > this.offset;
    if (!covered) return this.#asked++ < askAgainMax ? 'ask_again' : 'gone';
    const record = fetch.records.find(({ offset }) => offset === this.offset);
    if (!record) return 'gone';
    return recordHash(record) === this.expected.hash ? 'same' : 'other';
  }
}
