import { Chain } from '../../bridge/chain.ts';
import { encodeCommitMetadata } from '../../bridge/commit-metadata.ts';
import { PipelineBridge } from '../../bridge/pipeline-bridge.ts';
import type { Source } from '../../kafka/source.ts';
import type { BatchStart, Starter } from '../../temporal/starter.ts';

/** Bugs that are planted to see whether the simulation finds them. */
export interface Mutant {
  /** The bridge commits before the start is durable, as home-made consumers do. */
  commitBeforeStart?: true;
  /** The bridge goes on from the ends it had cut, not from those of the run that exists. */
  adoptLocalEnd?: true;
  /** What an older assignment left behind goes on acting in the next one. */
  unguarded?: true;
  /** kafkajs is told `fromBeginning: false`. */
  fromEnd?: true;
  /** Runs are started with ALLOW_DUPLICATE. */
  allowDuplicate?: true;
  /** The feature store has no marker rules: what comes again is folded again. */
  reapply?: true;
  /** The bridge does not ask Temporal, nor the ledger, where the chain is when the commit says nothing. It once did not; see docs/decisions/0010. */
  forgetsRuns?: true;
  /** Starts have no ids of their own. They once had none. */
  namelessStarts?: true;
  /** On assignment the bridge believes the commits, and not the run that they name. */
  trustsCommits?: true;
  /** Of the commits of a chain that wait only the last request is sent, and not one for each partition. */
  commitReplaced?: true;
  /** A partition's first range is not marked when its chain has had a batch already. */
  headPerBatch?: true;
  /** The store tells results apart by the number of their batch. */
  resultBySequence?: true;
}

export function mutateStarter(mutant: Mutant, starter: Starter, source: () => Source): Starter {
  return {
    // It only tells an operator more, and would change the order of all that follows.
    explain: () => Promise.resolve(undefined),
    lastRun: (chain, scored, deadlineMs) =>
      mutant.forgetsRuns || mutant.trustsCommits
        ? Promise.resolve(undefined)
        : starter.lastRun(chain, scored, deadlineMs),
    lastLayout: (topic, deadlineMs) =>
      mutant.forgetsRuns ? Promise.resolve(undefined) : starter.lastLayout(topic, deadlineMs),
    async start(start, deadlineMs, again) {
      if (mutant.commitBeforeStart) commitEarly(start, source());
      if (mutant.headPerBatch && start.sequence > 0)
        start = { ...start, ranges: start.ranges.map(({ first: _, ...range }) => range) };
      const answer = await starter.start(start, deadlineMs, again);
      return mutant.adoptLocalEnd && answer.kind === 'scored'
        ? { ...answer, ranges: start.ranges, positions: start.positions }
        : answer;
    },
  };
}

function commitEarly({ chain: { epoch, layout }, chains, sequence, ranges }: BatchStart, source: Source): void {
  const metadata = encodeCommitMetadata({ epoch, layout, chains, sequence });
  source.commit(ranges.map(({ partition, end }) => ({ partition, offset: end, metadata }))).catch(() => undefined);
}

/** A source that drops what waits when more is to be committed. */
export function mutateSource<S extends Source>(mutant: Mutant, source: S): S {
  if (!mutant.commitReplaced) return source;
  const { commit } = source;
  source.commit = (commits) => commit.call(source, commits.slice(-1));
  return source;
}

/** A chain that does not notice that it was given away. */
class LastingChain extends Chain {
  override abandon(): Promise<void> {
    return Promise.resolve();
  }
}

export class UnguardedBridge extends PipelineBridge {
  protected override createChain(source: Source, chain: number, partitions: readonly number[]): Chain {
    const { laneBytesMax, ...options } = this.options;
    return new LastingChain({ ...this.ports, source }, partitions, {
      ...options,
      chain,
      laneBytesMax: () => laneBytesMax.each,
    });
  }
}
