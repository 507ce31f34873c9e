/** Where a partition ends as the range ledger has it, and the highest batch that it names for it. */
export interface PartitionEnd {
  /** Behind everything that is in the ledger. */
  end: number;
  layout: number;
  chain: number;
  /** The highest number of a batch of that layout. */
  sequence: number;
}
