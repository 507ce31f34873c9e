import { AbortedTransactions, type Aborted } from './aborted-transactions.ts';
import type { BatchHeader } from './batch-header.ts';

type Seen = Pick<BatchHeader, 'firstOffset' | 'lastOffset' | 'count' | 'inTransaction' | 'isControl' | 'producerId'>;

/** The first batch with a record at `from` or behind it that a reader of committed records is shown; undefined when there is none. */
export function firstVisible<T extends Seen>(
  batches: readonly T[],
  aborted: readonly Aborted[],
  from: number,
): T | undefined {
  const transactions = new AbortedTransactions(aborted);
  for (const batch of batches) {
    const { firstOffset, lastOffset, count, inTransaction, isControl, producerId } = batch;
    transactions.moveTo(firstOffset);
    if (isControl) transactions.end(producerId);
    else if (count > 0 && lastOffset >= from && !(inTransaction && transactions.isOpen(producerId))) return batch;
  }
  return undefined;
}
