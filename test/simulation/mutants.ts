import { encodeCommitMetadata } from '../../bridge/commit-metadata.ts';
import { Partition } from '../../bridge/partition.ts';
import { PipelineBridge } from '../../bridge/pipeline-bridge.ts';
import type { Source } from '../../kafka/source.ts';
import type { Starter } from '../../temporal/starter.ts';

/** Bugs that are planted to see whether the simulation finds them. */
export interface Mutant {
  /** The bridge commits before the start is durable, as home-made consumers do. */
  commitBeforeStart?: true;
  /** The bridge goes on from the end it had cut, not from the end of the run that exists. */
  adoptLocalEnd?: true;
  /** What an older assignment left behind goes on acting in the next one. */
  unguarded?: true;
  /** kafkajs is told `fromBeginning: false`. */
  fromEnd?: true;
  /** Runs are started with ALLOW_DUPLICATE. */
  allowDuplicate?: true;
  /** The feature store has no marker rules: what comes again is folded again. */
  reapply?: true;
  /** The bridge does not ask Temporal where the chain is when the commit says nothing. It once did not; see docs/decisions/0010. */
  forgetsRuns?: true;
  /** Starts have no ids of their own. They once had none. */
  namelessStarts?: true;
  /** The store keeps the last result of a chain only, also when batches overlap. It once did. */
  oneResult?: true;
}

export function mutateStarter(mutant: Mutant, starter: Starter, source: () => Source): Starter {
  return {
    // It only tells an operator more, and would change the order of all that follows.
    explain: () => Promise.resolve(undefined),
    lastStarted: (chain, deadlineMs) =>
      mutant.forgetsRuns ? Promise.resolve(undefined) : starter.lastStarted(chain, deadlineMs),
    async start(start, deadlineMs) {
      if (mutant.commitBeforeStart)
        source()
          .commit(start.chain.partition, start.end, encodeCommitMetadata({ epoch: 0 }))
          .catch(() => undefined);
      const answer = await starter.start(start, deadlineMs);
      return mutant.adoptLocalEnd && answer.kind === 'scored' ? { ...answer, end: start.end } : answer;
    },
  };
}

/** A partition that does not notice that it was given away. */
class LastingPartition extends Partition {
  override abandon(): Promise<void> {
    return Promise.resolve();
  }
}

export class UnguardedBridge extends PipelineBridge {
  protected override createPartition(source: Source, partition: number): Partition {
    return new LastingPartition(
      { ...this.ports, source },
      { ...this.options, chain: { ...this.options.chain, partition } },
    );
  }
}
