/**
 * kafkajs hides records of aborted transactions, but takes for granted that the broker lists these by their first offset, begins at
 * most one with each record, and takes data with the key of a marker for one. Brokers list them in the order in which they ended: where
 * transactions of several producers overlap, all records of one that began earlier and ended later come through. Here they are hidden
 * as Kafka's own consumer does it.
 */

/** A transaction that was aborted, as a fetch names it. */
export interface Aborted {
  producerId: string;
  firstOffset: number;
}

/**
 * Which producers are in an aborted transaction, offset by offset. A producer's transactions follow each other, so what it wrote belongs to
 * an aborted one between the first offset of that one and the marker that ends it.
 */
export class AbortedTransactions {
  readonly #left: Aborted[];
  readonly #open = new Set<string>();

  constructor(aborted: readonly Aborted[]) {
    this.#left = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Goes on to an offset, never back. */
  moveTo(offset: number): void {
    while (this.#left.length > 0 && this.#left[0]!.firstOffset <= offset)
      this.#open.add(this.#left.shift()!.producerId);
  }

  isOpen(producerId: string): boolean {
    return this.#open.has(producerId);
  }

  /** Its marker stands here. */
  end(producerId: string): void {
    this.#open.delete(producerId);
  }
}

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
  if (!partition.abortedTransactions?.length) return;
  const aborted = new AbortedTransactions(
    partition.abortedTransactions.map(({ producerId, firstOffset }) => ({
      producerId,
      firstOffset: Number(firstOffset),
    })),
  );
  for (const message of partition.messages) {
    aborted.moveTo(Number(message.offset));
    const { batchContext } = message;
    if (!batchContext) continue;
    if (message.isControlRecord) {
      if (message.key?.equals(abortMarkerKey)) aborted.end(batchContext.producerId);
    } else if (batchContext.inTransaction && aborted.isOpen(batchContext.producerId)) message.isControlRecord = true;
  }
  partition.abortedTransactions = [];
}
