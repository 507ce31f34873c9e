import { Budget, type BudgetOptions } from '../../bridge/budget.ts';
import { Chain } from '../../bridge/chain.ts';
import { encodeCommitMetadata, type CommitMetadata } from '../../bridge/commit-metadata.ts';
import { GroupState } from '../../bridge/group-state.ts';
import type { LedgerEnd } from '../../bridge/ledger-ends.ts';
import type { Lane } from '../../bridge/lane.ts';
import type { Standing } from '../../bridge/standing.ts';
import type { Fetch } from '../../kafka/source.ts';
import { until } from '../live/wait.ts';
import { FakeSource, FakeStarter, instantClock, recordingReports } from './fakes.ts';

export const topic = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't' };
export const chainRef = { ...topic, layout: 0, chain: 0 };

/** Metadata of a commit of ours. */
export function committedAs(metadata: Partial<CommitMetadata> = {}): string {
  return encodeCommitMetadata({ epoch: 0, layout: 0, chains: 1, ...metadata });
}

/** Says when a batch had its turn, and how many turns were ended. */
class ToldBudget extends Budget {
  onTurn: (isFull: boolean) => void = () => {};
  turnsEnded = 0;

  override async acquire(signal: AbortSignal, isFull: () => boolean): Promise<() => void> {
    const endTurn = await super.acquire(signal, isFull);
    this.onTurn(isFull());
    return () => {
      this.turnsEnded++;
      endTurn();
    };
  }
}

export interface TestedOptions {
  recordsMax?: number;
  laneBytesMax?: number;
  startAt?: string;
}

/** A chain as its bridge sees it. Without a number it is asked about partition 0. */
export class TestedChain {
  constructor(readonly chain: Chain) {}

  fetched(fetch: Fetch): boolean {
    return this.chain.partitions.get(fetch.partition)!.fetched(fetch);
  }
  lane(partition = 0): Lane | undefined {
    return this.chain.partitions.get(partition)!.lane;
  }
  position(partition = 0): number | undefined {
    return this.lane(partition)?.position;
  }
  standing(partition = 0): Standing {
    return this.chain.standing(partition);
  }
  isWaiting(partition = 0): boolean {
    return this.chain.isWaiting(partition);
  }
  get wantsMore(): boolean {
    return this.chain.wantsMore;
  }
  drain(): Promise<void> {
    return this.chain.drain();
  }
  abandon(): Promise<void> {
    return this.chain.abandon();
  }
}

/** What a chain of so many partitions needs, and the making of one. */
export function chainRig(budgetOptions?: BudgetOptions, partitions = 1) {
  const source = new FakeSource(partitions);
  for (const each of source.partitions) each.log = { start: 0, end: 100 };
  const starter = new FakeStarter();
  const reports = recordingReports();
  const budget = new ToldBudget(instantClock, 1_000, budgetOptions);
  const ledger = new Map<number, LedgerEnd>();
  const numbers = source.partitions.map((_, number) => number);

  const createChain = ({ recordsMax = 4, laneBytesMax = 1_000_000 }: TestedOptions = {}): TestedChain =>
    new TestedChain(
      new Chain(
        {
          source,
          starter,
          clock: instantClock,
          budget,
          openBatches: { isFull: () => false, admit: () => Promise.resolve() },
          reports,
        },
        numbers,
        {
          topic,
          chain: 0,
          chains: 1,
          caps: { recordsMax, bytesMax: 1_000_000 },
          laneBytesMax: () => laneBytesMax,
          startDeadlineMs: 1_000,
        },
      ),
    );

  const groupState = (startAt = 'earliest') =>
    new GroupState(
      {
        source,
        starter,
        ledgerEnds: () => Promise.resolve(ledger),
        newestEpoch: () => Promise.resolve(undefined),
        log: { error: () => {} },
      },
      { topic, chains: 1, startAt },
    );

  /** Runs a chain until all of its partitions can take fetches. */
  const running = async (options?: TestedOptions): Promise<TestedChain> => {
    const chain = createChain(options);
    void chain.chain.run(groupState(options?.startAt));
    await until('assigned', () => numbers.every((number) => chain.lane(number) && !source.partitions[number]!.paused), {
      everyMs: 1,
    });
    return chain;
  };

  return { source, starter, reports, budget, ledger, createChain, groupState, running };
}

export const positionIs = (chain: TestedChain, position: number, partition = 0) =>
  until(`position ${position}`, () => chain.position(partition) === position, { everyMs: 1, timeoutMs: 5_000 });
