import type { FilledLane } from './chain-cut.ts';
import type { BatchCaps } from './lane.ts';
import type { Partition } from './partition.ts';

/** The lanes of a chain's assigned partitions, and whose turn it is. */
export class ChainLanes {
  /** The number of the last batch that had records of a partition: who has waited for the longest goes first. */
  readonly #served = new Map<number, number>();

  constructor(private readonly partitions: ReadonlyMap<number, Partition>) {}

  /** Lanes that have records, who was served least recently first. */
  filled(): FilledLane[] {
    const servedAt = ({ number }: Partition) => this.#served.get(number) ?? -1;
    return [...this.partitions.values()]
      .filter(({ isFilled }) => isFilled)
      .toSorted((a, b) => servedAt(a) - servedAt(b) || a.number - b.number)
      .map(({ number, lane }) => ({ partition: number, lane: lane! }));
  }

  /** True when the next batch would be no larger if it waited. */
  isFull({ recordsMax, bytesMax }: BatchCaps): boolean {
    let records = 0;
    let bytes = 0;
    for (const { lane } of this.filled()) {
      records += lane.length;
      bytes += lane.bytes;
    }
    return records >= recordsMax || bytes >= bytesMax || [...this.partitions.values()].some(({ isFull }) => isFull);
  }

  /** True while one could use records at once: it holds less than it could of what the log has or, where the chain has nothing to do, can get any. */
  wantsMore(isIdle: boolean): boolean {
    return [...this.partitions.values()].some(({ isBehind, isReading }) => isBehind || (isIdle && isReading));
  }

  served(partition: number, sequence: number): void {
    this.#served.set(partition, sequence);
  }
}
