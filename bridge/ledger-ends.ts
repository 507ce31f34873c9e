import type { TopicRef } from '../contracts/event-key.ts';
import type { PartitionEnd } from '../contracts/partition-end.ts';

/** What the bridge needs of where a partition ends. */
export type LedgerEnd = Omit<PartitionEnd, 'chain'>;

/**
 * Asks the ledger where the ranges of each partition of a topic end. They are safe to go on from, because no batch is started before the
 * one before it is scored.
 */
export type LedgerEnds = (topic: TopicRef) => Promise<ReadonlyMap<number, LedgerEnd>>;

/** Asks the ledger for the newest epoch that it has of a topic; undefined when it has none. */
export type NewestEpoch = (topic: Omit<TopicRef, 'epoch'>) => Promise<number | undefined>;
