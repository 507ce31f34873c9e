import type { Client } from '../temporal/connection.ts';
import { chainId, chainOf, type ChainRef, type TopicRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { PartitionEnd } from '../contracts/partition-end.ts';
import type { CommitMetadata } from '../contracts/schemas/commit-metadata.ts';
import { followChain, type ChainState } from './follow-chain.ts';

/** Where a partition is, by commits, else by the ledger. */
export interface Place {
  topic: TopicRef;
  done: number | undefined;
  /** Undefined when nothing names a batch, or a layout, of it. */
  chain?: ChainRef;
  sequence?: number;
}

/** What the bridge has committed of a partition. */
export type CommittedPlace = CommitMetadata & { offset: number };

export interface PlaceSources {
  deployment: string;
  /** Of partitions that nobody has committed. */
  epoch: number;
  partitionEnds: (topic: TopicRef) => Promise<ReadonlyMap<number, PartitionEnd>>;
}

/** Where partitions of a topic are. What the ledger cannot tell is noted in `unknown`. */
export async function placesOf(
  { pipeline, topic }: { pipeline: string; topic: string },
  partitions: readonly (readonly [number, unknown])[],
  committed: ReadonlyMap<number, CommittedPlace>,
  { deployment, epoch: epochOfOthers, partitionEnds }: PlaceSources,
  unknown: Record<string, string>,
): Promise<Map<number, Place>> {
  const epoch = Math.max(...[...committed.values()].map((commit) => commit.epoch), epochOfOthers);
  const ref = { deployment, pipeline, epoch, topic };
  let ends: ReadonlyMap<number, PartitionEnd> = new Map();
  if (partitions.some(([partition]) => !committed.has(partition)))
    try {
      ends = await partitionEnds(ref);
    } catch (error) {
      unknown['range ledger'] = messageOf(error);
    }
  const placeOf = (partition: number): Place => {
    const commit = committed.get(partition);
    if (commit) {
      const { offset: done, layout, chains, sequence } = commit;
      const own = { ...ref, epoch: commit.epoch };
      return { topic: own, done, chain: { ...own, layout, chain: chainOf(partition, chains) }, sequence };
    }
    const end = ends.get(partition);
    if (!end) return { topic: ref, done: undefined };
    const { layout, chain, sequence } = end;
    return { topic: ref, done: end.end, chain: { ...ref, layout, chain }, sequence };
  };
  return new Map(partitions.map(([partition]) => [partition, placeOf(partition)]));
}

/** Follows each chain once, and only when somebody asks: from the highest batch that any of its partitions names. */
export function chainsOf(
  places: readonly Place[],
  temporal: Client | undefined,
  nowMs: number,
): (place: Place) => Promise<ChainState> {
  const highest = new Map<string, number>();
  for (const { chain, sequence } of places)
    if (chain && sequence !== undefined)
      highest.set(chainId(chain), Math.max(sequence, highest.get(chainId(chain)) ?? 0));
  const followed = new Map<string, Promise<ChainState>>();
  return async ({ chain }) => {
    if (!chain) return { positions: {}, untouched: [], marks: {} };
    const id = chainId(chain);
    const state = followed.get(id) ?? followChain(temporal, chain, { scored: highest.get(id), nowMs });
    followed.set(id, state);
    return state;
  };
}
