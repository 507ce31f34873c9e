/**
 * kafkajs hides records of aborted transactions, but takes for granted that the broker lists these by their first offset, begins at
 * most one with each record, and takes data with the key of a marker for one. Brokers list them in the order in which they ended: where
 * transactions of several producers overlap, all records of one that began earlier and ended later come through. Here they are hidden
 * as Kafka's own consumer does it.
 */

/** One partition of a fetch, in kafkajs's form. */
export interface FetchedPartition {
  abortedTransactions?: { producerId: string; firstOffset: string }[] | null;
  messages: FetchedMessage[];
}

interface FetchedMessage {
  offset: string;
  key: Buffer | null;
  /** Markers and the like: kafkajs moves on behind these and shows them to nobody. */
  isControlRecord?: boolean;
  batchContext?: { producerId: string; inTransaction: boolean };
}

/** Version and type of the marker that ends an aborted transaction, as two 16-bit numbers. */
const abortMarkerKey = Buffer.from([0, 0, 0, 0]);

/** Marks the records of aborted transactions as records that nobody is shown, and leaves kafkajs nothing to hide. */
export function filterAbortedTransactions(partition: FetchedPartition): void {
  const aborted = (partition.abortedTransactions ?? [])
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .toSorted((a, b) => a.firstOffset - b.firstOffset);
  if (aborted.length === 0) return;
  const open = new Set<string>();
  let begun = 0;
  for (const message of partition.messages) {
    const offset = Number(message.offset);
    while (begun < aborted.length && aborted[begun]!.firstOffset <= offset) open.add(aborted[begun++]!.producerId);
    const { batchContext } = message;
    if (!batchContext) continue;
    if (message.isControlRecord) {
      if (message.key?.equals(abortMarkerKey)) open.delete(batchContext.producerId);
    } else if (batchContext.inTransaction && open.has(batchContext.producerId)) message.isControlRecord = true;
  }
  partition.abortedTransactions = [];
}
