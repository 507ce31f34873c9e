import type { BatchHeader } from './batch-header.ts';

/** A transaction that was aborted, as a fetch names it. */
export interface Aborted {
  producerId: string;
  firstOffset: number;
}

type Seen = Pick<BatchHeader, 'firstOffset' | 'lastOffset' | 'count' | 'inTransaction' | 'isControl' | 'producerId'>;

/**
 * The first batch with a record at `from` or behind it that a reader of committed records is shown; undefined when there is none. A
 * producer's transactions follow each other, so one of its batches is aborted if it lies between the first offset of an aborted one
 * and the marker that ends it.
 */
export function firstVisible<T extends Seen>(
  batches: readonly T[],
  aborted: readonly Aborted[],
  from: number,
): T | undefined {
  const isOpen = new Set<string>();
  const left = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  for (const batch of batches) {
    while (left.length > 0 && left[0]!.firstOffset <= batch.firstOffset) isOpen.add(left.shift()!.producerId);
    if (batch.isControl) isOpen.delete(batch.producerId);
    else if (batch.count > 0 && batch.lastOffset >= from && !(batch.inTransaction && isOpen.has(batch.producerId)))
      return batch;
  }
  return undefined;
}
