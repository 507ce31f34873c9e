import type { BatchRange, ChainRef } from '../contracts/event-key.ts';
import type { BehindBatch, ScoredReply } from '../contracts/names.ts';

/** Where a chain goes on: what it has learned from the run before. */
export interface ChainStart extends BehindBatch {
  /** The number of the next batch. */
  sequence: number;
  /** The start id of the batch before, where it is known that it was scored. */
  after?: string | undefined;
}

/**
 * How far a chain is: the number of its next batch, and for every partition of it the next offset that no batch has claimed, also for those
 * that nobody reads now. Pure: `positions(s) = positions(s-1) + ranges(s)`.
 */
export class ChainProgress {
  #sequence: number;
  #after: string | undefined;
  #scored: number | undefined;
  readonly #positions: Map<number, number>;
  readonly #untouched: Set<number>;

  constructor(
    readonly ref: ChainRef,
    { sequence, after, positions, untouched }: ChainStart,
  ) {
    this.#sequence = sequence;
    this.#after = after;
    this.#scored = sequence === 0 ? undefined : sequence - 1;
    this.#positions = new Map(Object.entries(positions).map(([partition, position]) => [Number(partition), position]));
    this.#untouched = new Set(untouched);
  }

  /** The number of the next batch. */
  get sequence(): number {
    return this.#sequence;
  }

  get after(): string | undefined {
    return this.#after;
  }

  /**
   * The number of the last batch that was scored, and whose positions are those of the chain: whoever has the chain next goes on behind that
   * one. Undefined when there is none in this layout.
   */
  get scored(): number | undefined {
    return this.#scored;
  }

  /** Adds a partition that is new to the chain. */
  begin(partition: number, position: number): void {
    this.#positions.set(partition, position);
    this.#untouched.add(partition);
  }

  /** Nothing of the partition was in a batch yet. */
  isUntouched(partition: number): boolean {
    return this.#untouched.has(partition);
  }

  position(partition: number): number | undefined {
    return this.#positions.get(partition);
  }

  /** How far the chain is behind a batch of these ranges. */
  behind(ranges: readonly Pick<BatchRange, 'partition' | 'end'>[]): BehindBatch {
    const touched = new Set(ranges.map(({ partition }) => partition));
    const untouched = [...this.#untouched].filter((partition) => !touched.has(partition)).toSorted((a, b) => a - b);
    return {
      positions: {
        ...Object.fromEntries(this.#positions),
        ...Object.fromEntries(ranges.map(({ partition, end }) => [partition, end])),
      },
      ...(untouched.length > 0 ? { untouched } : {}),
    };
  }

  /**
   * Goes on behind the run that exists under the next number, whatever this chain had cut. Returns the partitions that moved and where they
   * go on; undefined when one of its ranges does not begin where its partition is: then nothing of it is taken, and the next number is tried.
   */
  adopt({ ranges, positions, untouched, startId }: ScoredReply): Map<number, number> | undefined {
    const sequence = this.#sequence++;
    this.#after = startId;
    const isOurs = ranges.every(({ partition, position }) => (this.#positions.get(partition) ?? position) === position);
    if (!isOurs) return undefined;
    this.#scored = sequence;
    const moved = new Map<number, number>();
    for (const [key, position] of Object.entries(positions)) {
      const partition = Number(key);
      const own = this.#positions.get(partition);
      // Behind where this chain is: an owner before knew less of a partition that its batch does not hold.
      if (own !== undefined && position <= own) continue;
      this.#positions.set(partition, position);
      moved.set(partition, position);
    }
    for (const partition of this.#untouched)
      if (partition in positions && !untouched?.includes(partition)) this.#untouched.delete(partition);
    for (const partition of untouched ?? []) if (moved.has(partition)) this.#untouched.add(partition);
    return moved;
  }
}
