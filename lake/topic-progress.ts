import { mergeRanges, uncovered, type Range } from './ranges.ts';
import type { SegmentRange } from './segment-file.ts';
import type { PartRange } from './types.ts';

/** Of a topic's partitions, while a roll-up is planned: what is in Parquet, and what the plan takes. */
export class TopicProgress {
  /** By partition, merged: what is in Parquet, and what the plan takes. */
  readonly #reached = new Map<number, Range[]>();
  /** Segments of its chains that wait. */
  readonly waiting = new WaitingRanges();

  /** @param covered what is in Parquet of a partition, merged */
  constructor(private readonly covered: (partition: number) => readonly Range[]) {}

  /** True when all of the ranges is in Parquet already. */
  areCovered(ranges: readonly SegmentRange[]): boolean {
    return ranges.every(
      ({ partition, position, end }) => uncovered([position, end], this.covered(partition)).length === 0,
    );
  }

  /** Takes what of the ranges is new, and returns it. */
  take(ranges: readonly SegmentRange[]): PartRange[] {
    return ranges.flatMap(({ partition, position, end }) => {
      const reached = this.#reachedOf(partition);
      this.#reached.set(partition, mergeRanges([...reached, [position, end]]));
      return uncovered([position, end], reached).map(([from, to]): PartRange => [partition, from, to]);
    });
  }

  /** Where the plan ends in a partition; undefined when nothing of it has come. */
  endOf(partition: number): number | undefined {
    return this.#reachedOf(partition).at(-1)?.[1];
  }

  /** Those of the ranges before which something is missing. */
  gapsBefore(ranges: readonly SegmentRange[]): SegmentRange[] {
    return ranges.filter(({ partition, position, first }) => {
      const end = this.endOf(partition);
      return end === undefined ? first !== true : position > end;
    });
  }

  #reachedOf(partition: number): readonly Range[] {
    return this.#reached.get(partition) ?? this.covered(partition);
  }
}

/** Where segments wait. What lies before a later range of the partition may be theirs, so that nothing is known to be missing there. */
export class WaitingRanges {
  /** By partition. */
  readonly #first: Map<number, number>;

  constructor(others?: WaitingRanges) {
    this.#first = new Map(others ? others.#first : []);
  }

  add(ranges: readonly SegmentRange[]): void {
    for (const { partition, position } of ranges)
      this.#first.set(partition, Math.min(position, this.#first.get(partition) ?? Infinity));
  }

  /** True when one of them begins where the range does in its partition, or before. */
  standBefore({ partition, position }: SegmentRange): boolean {
    return (this.#first.get(partition) ?? Infinity) <= position;
  }
}
