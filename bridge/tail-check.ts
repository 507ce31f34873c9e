import { recordHash, type CommitMetadata } from './commit-metadata.ts';
import type { Fetch } from '../kafka/source.ts';

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
