import type { PartitionRef } from '../../contracts/event-key.ts';
import type { LedgerPartition } from '../../ledger/read-ledger.ts';

/** A partition as the ledger has it: one batch without records, unless told otherwise. */
export function ledgerPartition(partition: PartitionRef, more: Partial<LedgerPartition>): LedgerPartition {
  return {
    partition,
    span: { from: 0, to: 0 },
    last: { layout: 0, chain: 0, sequence: 0 },
    batches: 1,
    records: 0,
    doubled: 0,
    holes: [],
    moreHoles: 0,
    overlaps: [],
    moreOverlaps: 0,
    ...more,
  };
}
