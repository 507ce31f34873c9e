import { chainOf, partitionOf, type TopicRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { recordTimeMs } from '../contracts/record-time.ts';
import type { Budget } from './budget.ts';
import { commitsOf } from './chain-commits.ts';
import { ChainLanes } from './chain-lanes.ts';
import { ChainProgress } from './chain-progress.ts';
import type { Clock } from './clock.ts';
import { recordHash } from './commit-metadata.ts';
import { Committer } from './committer.ts';
import type { GroupState } from './group-state.ts';
import { Partition } from './partition.ts';
import { nextChainPhase } from './phases.ts';
import type { PartitionStart } from './read-start.ts';
import type { BridgeReports } from './reports.ts';
import { resolveChain } from './resolve-chain.ts';
import { standingOf, type Standing } from './standing.ts';
import { startBatch, type ScoredBatch, type StartBatchOptions } from './start-batch.ts';
import { createChainStatus, HaltError, type ChainStatus, type PartitionStatus } from './work-status.ts';
import type { Source } from '../kafka/source.ts';
import type { Starter } from '../temporal/starter.ts';

export interface ChainOptions extends StartBatchOptions {
  topic: TopicRef;
  chain: number;
  /** Bytes a lane holds before its partition is paused; it is resumed at half of that. */
  laneBytesMax: () => number;
}

export interface ChainPorts {
  source: Source;
  starter: Starter;
  clock: Clock;
  budget: Budget;
  /** Resolves when another batch may be open. */
  openBatches: { admit(signal: AbortSignal): Promise<void>; isFull(): boolean };
  reports: BridgeReports;
}

/**
 * The assigned partitions of one chain, from assignment until the group takes them away: one batch at a time is started from what their lanes
 * hold, and what was scored is committed. After `abandon` nothing of it has an effect any more, except for a start that is under way: that
 * one is found again by whoever owns the chain next.
 */
export class Chain {
  readonly #partitions: ReadonlyMap<number, Partition>;
  readonly #lanes: ChainLanes;
  readonly #status: ChainStatus;
  readonly #committer: Committer;
  /** Undefined while it is looked for where the chain goes on. */
  #progress: ChainProgress | undefined;
  #idle: Promise<void> = Promise.resolve();
  /** A request, which the phase follows after the batch that is under way. */
  #draining = false;

  constructor(
    private readonly ports: ChainPorts,
    partitions: readonly number[],
    private readonly options: ChainOptions,
  ) {
    const { clock, reports, source } = ports;
    this.#partitions = new Map(partitions.map((number) => [number, this.#createPartition(number)]));
    this.#lanes = new ChainLanes(this.#partitions);
    const each = (tell: (partition: Partition) => void) => [...this.#partitions.values()].forEach(tell);
    this.#status = createChainStatus(clock, {
      // One that needs an operator by itself does so until it says otherwise.
      waiting: (reason, error) =>
        each(({ ref, status }) => needsOperator(status) || reports.waiting(ref, reason, error)),
      halted: (reason) => each(({ ref }) => reports.halted(ref, reason)),
    });
    this.#committer = new Committer(
      {
        clock,
        send: (commits) => source.commit(commits),
        failed: ({ partition, offset }, error) =>
          reports.commitFailed(partitionOf(options.topic, partition), offset, error),
      },
      this.#status.signal,
    );
  }

  get partitions(): ReadonlyMap<number, Partition> {
    return this.#partitions;
  }

  /** True while what holds a partition up is known: it must not be mistaken for a consumer that gets nowhere. */
  isWaiting(partition: number): boolean {
    return this.#status.isWaiting || (this.#partitions.get(partition)?.status.isWaiting ?? false);
  }

  /** True while it could use records at once: all lanes are empty, or one holds less than it could of what the log has. */
  get wantsMore(): boolean {
    return !this.#status.isOver && this.#lanes.wantsMore(this.#status.phase.kind === 'records');
  }

  /** How a partition stands, as far as its bridge knows by itself. */
  standing(partition: number): Standing {
    return standingOf(this.#partitions.get(partition)!, this.#status, this.#progress, this.ports.clock.nowMs());
  }

  /** Finds where the chain goes on and works until abandoned. Never rejects: what goes wrong is reported and retried, or halts the chain. */
  run(group: GroupState): Promise<void> {
    for (const partition of this.#partitions.keys()) this.ports.source.pause(partition);
    this.#idle = this.#run(group).catch((error: unknown) =>
      this.#halt(error instanceof HaltError ? error.message : `unexpected: ${messageOf(error)}`),
    );
    return this.#idle;
  }

  /** Ends after the batch that is under way, with its commit. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#wakeUp();
    await this.#idle;
    await this.#committer.settled();
  }

  /** Stops for good. Resolves when no start of this chain is under way. */
  abandon(): Promise<void> {
    this.#wakeUp();
    this.#status.abandon();
    for (const partition of this.#partitions.values()) partition.abandon();
    return this.#idle;
  }

  #createPartition(number: number): Partition {
    const ref = partitionOf(this.options.topic, number);
    return new Partition(
      this.ports,
      {
        filled: () => this.#wakeUp(),
        recommit: () => this.#commit([number]),
        waiting: (reason, error) => {
          if (!needsOperator(this.#status)) this.ports.reports.waiting(ref, reason, error);
        },
        haltChain: (reason) => this.#halt(reason),
      },
      { ref, laneBytesMax: this.options.laneBytesMax },
    );
  }

  async #run(group: GroupState): Promise<void> {
    const { chain, chains } = this.options;
    const topic = await this.#status.untilDone('kafka', () => group.topic());
    if (!topic) return;
    const found = await this.#status.untilDone('temporal', async () => {
      const ref = { ...topic, layout: await group.layout(), chain };
      const isOurs = (partition: number) => chainOf(partition, chains) === chain;
      return { ref, ...(await resolveChain(this.ports.starter, ref, group, isOurs)) };
    });
    if (!found || this.#status.isOver) return;
    const progress = new ChainProgress(found.ref, found.start);
    this.#progress = progress;
    for (const [number, { tail }] of found.partitions) {
      const partition = this.#partitions.get(number);
      if (partition) partition.tail = tail;
    }
    for (const partition of this.#partitions.values())
      void partition.run(
        () => this.#startOf(partition, found.partitions, progress, group),
        ({ position }) => progress.position(partition.number) === position,
      );
    this.#commit([...found.partitions.keys()]);
    await this.#loop(progress);
  }

  /** Where a partition begins; one that no batch and no commit knows is part of the chain's positions from then on. */
  async #startOf(
    { number }: Partition,
    known: ReadonlyMap<number, PartitionStart>,
    progress: ChainProgress,
    group: GroupState,
  ): Promise<PartitionStart> {
    const start = known.get(number);
    if (start && start.position === progress.position(number)) return start;
    const position = progress.position(number) ?? (await group.firstPosition(number));
    // A batch of an owner before may have been adopted meanwhile.
    if (progress.position(number) !== undefined) return { position: progress.position(number)!, ofChain: false };
    progress.begin(number, position);
    this.#commit([number]);
    return { position, ofChain: false };
  }

  async #loop(progress: ChainProgress): Promise<void> {
    for (this.#goOn(); ; this.#goOn()) {
      const { phase } = this.#status;
      if (phase.kind === 'records') {
        void this.ports.source.poll();
        // Goes on later than the fetch that woke it was handled: the consumer must not rest on that one, because a lane is about to ask for the next.
        await phase.woken;
      } else if (phase.kind === 'scoring') await this.#nextBatch(progress);
      else return;
    }
  }

  /** Enters the phase that the lanes ask for. */
  #goOn(): void {
    if (this.#status.isOver) return;
    const phase = nextChainPhase(this.#lanes.filled().length === 0, this.ports.clock.nowMs());
    this.#status.enter(this.#draining ? { kind: 'drained' } : phase);
  }

  #wakeUp(): void {
    const { phase } = this.#status;
    if (phase.kind === 'records') phase.wake();
    else this.ports.budget.recheck();
  }

  async #nextBatch(progress: ChainProgress): Promise<void> {
    const { budget, openBatches, source, clock } = this.ports;
    const status = this.#status;
    if (openBatches.isFull()) {
      status.wait('open_batches');
      await openBatches.admit(status.signal);
      status.wait('none');
    }
    const endTurn = await budget.acquire(status.signal, () => this.#draining || this.#lanes.isFull(this.options.caps));
    try {
      // What came while the lanes waited goes along.
      await source.poll();
      if (status.isOver || this.#draining) return;
      const startedMs = clock.nowMs();
      const scored = await startBatch(this.ports, this.#lanes.filled(), progress, status, this.options);
      if (!scored) return;
      const records = scored.cut.ranges.reduce((sum, range) => sum + range.records.length, 0);
      const tookMs = clock.nowMs() - startedMs;
      this.options.caps.scored?.(records, tookMs);
      this.ports.reports.batch(this.options.topic, this.options.chain, tookMs);
      this.#scored(progress, scored);
    } finally {
      endTurn();
    }
  }

  /** Goes on behind the run that exists, whatever was cut of these lanes. */
  #scored(progress: ChainProgress, { cut, reply }: ScoredBatch): void {
    const { sequence } = progress;
    const moved = progress.adopt(reply);
    this.#status.wait('none');
    if (!moved) {
      this.ports.reports.notTaken(this.options.topic, this.options.chain, sequence);
      return;
    }
    for (const [number, end] of moved) {
      const partition = this.#partitions.get(number);
      const own = cut.ranges.find((range) => range.partition === number);
      const records = own?.records.filter(({ offset }) => offset < end) ?? [];
      if (!partition) continue;
      const last = own && end <= own.end ? records.at(-1) : undefined;
      partition.tail = last && { offset: last.offset, hash: recordHash(last) };
      this.#lanes.served(number, sequence);
      partition.advance(end);
      this.ports.reports.scored(
        partition.ref,
        { position: own?.position ?? end, end, adopted: own?.end !== end },
        records.map(recordTimeMs),
      );
    }
    this.#commit([...moved.keys()]);
  }

  /** Commits those of the partitions that are assigned. */
  #commit(partitions: readonly number[]): void {
    if (!this.#progress) return;
    const ours = partitions.filter((partition) => this.#partitions.has(partition));
    const tailOf = (partition: number) => this.#partitions.get(partition)?.tail;
    this.#committer.commit(commitsOf(this.#progress, this.options.chains, ours, tailOf));
  }

  #halt(reason: string): void {
    if (this.#status.signal.aborted) return;
    for (const partition of this.#partitions.values()) partition.end();
    this.#wakeUp();
    this.#status.halt(reason);
  }
}

/** True while it is told that an operator must act: what else it is part of, or is part of it, must not take that back. */
function needsOperator({ waiting }: ChainStatus | PartitionStatus): boolean {
  return waiting?.kind === 'halted';
}
