import { Budget, type BudgetOptions } from '../../bridge/budget.ts';
import { createGroupState } from '../../bridge/first-positions.ts';
import { Partition } from '../../bridge/partition.ts';
import { until } from '../live/wait.ts';
import { FakeSource, FakeStarter, instantClock, recordingReports } from './fakes.ts';

export const chain = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't', partition: 0 };

/** Says when a lane had its turn, and how many turns were ended. */
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
  laneBytesMax?: number;
  startAt?: string;
  epoch?: number;
}

/** What a partition needs, and the making of one. */
export function partitionRig(budgetOptions?: BudgetOptions) {
  const source = new FakeSource();
  source.log = { start: 0, end: 100 };
  const starter = new FakeStarter();
  const reports = recordingReports();
  const budget = new ToldBudget(instantClock, 1_000, budgetOptions);

  const createPartition = (options: TestedOptions = {}): Partition =>
    new Partition(
      {
        source,
        starter,
        clock: instantClock,
        budget,
        openBatches: { isFull: () => false, admit: () => Promise.resolve() },
        reports,
      },
      {
        chain,
        epoch: 0,
        caps: { recordsMax: 4, bytesMax: 1_000_000 },
        laneBytesMax: 1_000_000,
        startDeadlineMs: 1_000,
        ...options,
      },
    );

  const groupState = (startAt = 'earliest') =>
    createGroupState(source, () => starter.lastStarted(), { chain, epoch: 0, startAt });

  /** Runs a partition until it can take fetches. */
  const running = async (options?: TestedOptions): Promise<Partition> => {
    const partition = createPartition(options);
    void partition.run(groupState(options?.startAt));
    await until('assigned', () => partition.position !== undefined && !source.paused, { everyMs: 1 });
    return partition;
  };

  return { source, starter, reports, budget, createPartition, groupState, running };
}

export const positionIs = (partition: Partition, position: number) =>
  until(`position ${position}`, () => partition.position === position, { everyMs: 1, timeoutMs: 5_000 });
