import { batchWorkflowId } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { recordTimeMs } from '../contracts/record-time.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import { HaltError, resolveRead, resolveStart, type StartOptions } from './assignment.ts';
import type { Budget } from './budget.ts';
import { encodeCommitMetadata, recordHash, type CommitMetadata } from './commit-metadata.ts';
import { Committer } from './committer.ts';
import { Intake, type IntakeOptions } from './intake.ts';
import { Lane } from './lane.ts';
import { PartitionStatus } from './partition-status.ts';
import type { GroupState } from './first-positions.ts';
import type { Clock } from './clock.ts';
import type { Fetch, Source } from '../kafka/source.ts';
import type { LastStarted, Starter } from '../temporal/starter.ts';
import { Reading } from './reading.ts';
import type { BridgeReports } from './reports.ts';
import { startBatch, type ScoredBatch, type StartBatchOptions } from './start-batch.ts';

export interface PartitionOptions extends StartOptions, IntakeOptions, StartBatchOptions {}

/** How a partition stands, as far as it knows by itself. */
export interface Standing {
  /** No record below it is left to do; undefined while the first position is looked for. */
  doneBelow: number | undefined;
  /** The next offset that will be written, as the last fetch had it; 0 before one. */
  nextOffset: number;
  /** Nothing that was fetched waits for a batch. */
  isEmpty: boolean;
  first: KafkaRecord | undefined;
  waiting: Waiting;
  /** Workflow id of the batch that is being started or scored. */
  run?: string;
}

export interface PartitionPorts {
  source: Source;
  starter: Starter;
  clock: Clock;
  budget: Budget;
  /** Resolves when another batch may be open. */
  openBatches: { admit(signal: AbortSignal): Promise<void>; isFull(): boolean };
  reports: BridgeReports;
}

/** Nobody waits for the answer but this partition, and a busy server may have many runs to look through. */
export const lookUpDeadlineMs = 30_000;

/**
 * One assigned partition, from assignment until the group takes it away: fetches go into the lane, one batch at a time is started
 * from it, and what was scored is committed. After `abandon` nothing of it has an effect any more, except for a start that is
 * under way: that one is found again by whoever owns the partition next.
 */
export class Partition {
  #lane: Lane | undefined;
  #intake: Intake | undefined;
  #head = false;
  #wake: () => void = () => {};
  /** The last record below the position, for the commit. */
  #tail: CommitMetadata['tail'];
  readonly #status: PartitionStatus;
  readonly #reading: Reading;
  readonly #committer: Committer;
  readonly #partition: number;
  #idle: Promise<void> = Promise.resolve();
  #draining = false;
  /** True while there is nothing to start a batch with. */
  #awaitsRecords = false;
  /** Since when there is something to start a batch with; undefined while there is not. */
  #batchSinceMs: number | undefined;

  constructor(
    private readonly ports: PartitionPorts,
    private readonly options: PartitionOptions,
  ) {
    this.#partition = options.chain.partition;
    this.#status = new PartitionStatus(ports, options.chain);
    this.#reading = new Reading(ports.source, this.#partition);
    const send = (offset: number, text: string) => ports.source.commit(this.#partition, offset, text);
    const failed = (offset: number, error: unknown) => ports.reports.commitFailed(options.chain, offset, error);
    this.#committer = new Committer({ clock: ports.clock, send, failed }, this.#status.signal);
  }

  /** True while what holds the partition up is known: it must not be mistaken for a consumer that gets nowhere. */
  get isWaiting(): boolean {
    return this.#status.isWaiting;
  }

  /** True while the lane is empty, or holds less than it could of what the log has. */
  get wantsMore(): boolean {
    return !this.#status.isOver && (this.#awaitsRecords || (this.#intake?.isBehind ?? false));
  }

  get position(): number | undefined {
    return this.#lane?.position;
  }

  /** No record below this offset is left to do; see `Lane.doneBelow`. */
  get doneBelow(): number | undefined {
    return this.#lane?.doneBelow;
  }

  /** How it stands, as far as it knows by itself. */
  get standing(): Standing {
    const { doneBelow, nextOffset } = { doneBelow: this.doneBelow, nextOffset: this.#intake?.logEnd ?? 0 };
    return {
      doneBelow,
      nextOffset,
      isEmpty: this.#lane?.isEmpty ?? true,
      first: this.#lane?.first,
      waiting: this.#status.waiting ?? this.#working(),
      ...(this.#batchSinceMs === undefined ? {} : { run: batchWorkflowId(this.options.chain, this.#lane!.position) }),
    };
  }

  #working(): Waiting {
    if (!this.#lane || this.#batchSinceMs === undefined) return { kind: 'records' };
    return {
      kind: 'scoring',
      offset: this.#lane.position,
      forSeconds: (this.ports.clock.nowMs() - this.#batchSinceMs) / 1_000,
    };
  }

  /** Finds the position and works until abandoned. Never rejects: what goes wrong is reported and retried, or halts the partition. */
  run(group: GroupState): Promise<void> {
    this.ports.source.pause(this.#partition);
    this.#idle = this.#run(group).catch((error: unknown) => this.#failed(error));
    return this.#idle;
  }

  /** Ends after the batch that is under way, with its commit. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#wake();
    this.ports.budget.recheck();
    await this.#idle;
    await this.#committer.settled();
  }

  /** Stops for good. Resolves when no start of this partition is under way. */
  abandon(): Promise<void> {
    this.#status.abandon();
    this.#wake();
    return this.#idle;
  }

  /** Takes a fetch. Returns whether the next poll may begin behind it. */
  fetched(fetch: Fetch): boolean {
    try {
      return !this.#status.isOver && (this.#intake?.fetched(fetch) ?? false);
    } catch (error) {
      // Thrown on, it would end the consumer with all of its partitions.
      this.#failed(error);
      return false;
    }
  }

  async #run(group: GroupState): Promise<void> {
    const { source } = this.ports;
    const start = await this.#status.untilDone('kafka', () =>
      resolveStart(source, this.#partition, group, () => this.#lastStarted(), this.options),
    );
    const read =
      start && (await this.#status.untilDone('kafka', (tries) => resolveRead(source, this.#partition, start, tries)));
    if (!read || this.#status.isOver) return;
    const lane = new Lane(start.position);
    this.#lane = lane;
    this.#head = start.head;
    this.#tail = start.tail;
    this.#intake = new Intake(lane, this.#reading, this.#status, this.ports, this.#intakeHandlers(lane), this.options);
    this.#intake.begin(read);
    while (!this.#status.isOver && !this.#draining) await this.#nextBatch(lane);
  }

  async #lastStarted(): Promise<LastStarted | undefined> {
    const last = await this.#status.untilDone('temporal', () =>
      this.ports.starter.lastStarted(this.options.chain, lookUpDeadlineMs),
    );
    if (this.#status.isOver) throw new Error('the partition was given away meanwhile');
    return last;
  }

  #intakeHandlers(lane: Lane) {
    return {
      filled: () => {
        this.#wake();
        this.ports.budget.recheck();
      },
      recommit: () => this.#commit(lane.position),
      halt: (reason: string, offset?: number) => this.#halt(reason, offset),
      failed: (error: unknown) => this.#failed(error),
    };
  }

  async #nextBatch(lane: Lane): Promise<void> {
    this.#batchSinceMs = lane.isEmpty ? undefined : this.ports.clock.nowMs();
    if (lane.isEmpty)
      return this.#intake?.unreadable ? this.#untilReadable(this.#intake, this.#intake.unreadable) : this.#untilWoken();
    const { budget, openBatches, source } = this.ports;
    const status = this.#status;
    if (openBatches.isFull()) {
      status.wait('open_batches');
      await openBatches.admit(status.signal);
      status.wait('none');
    }
    const isFull = () => this.#draining || this.#reading.isPaused || lane.isFull(this.options.caps);
    const endTurn = await budget.acquire(status.signal, isFull);
    try {
      // What came while the lane waited goes along.
      await source.poll();
      if (status.isOver || this.#draining) return;
      const { nowMs } = this.ports.clock;
      const startedMs = nowMs();
      const scored = await startBatch(this.ports, lane, this.#head, status, this.options);
      if (!scored) return;
      this.options.caps.scored?.(scored.cut.records.length, nowMs() - startedMs);
      this.#scored(lane, scored);
    } finally {
      endTurn();
    }
  }

  /** Goes on from the end of the run that exists, whatever end this lane had cut. */
  #scored(lane: Lane, { cut, end }: ScoredBatch): void {
    const { chain, laneBytesMax } = this.options;
    const scored = cut.records.filter((record) => record.offset < end);
    const last = end <= cut.end ? scored.at(-1) : undefined;
    this.#tail = last && { offset: last.offset, hash: recordHash(last) };
    this.#head = false;
    const mustSeek = lane.advance(end);
    if (mustSeek) this.#reading.seek(end);
    this.#commit(end);
    this.ports.reports.scored(
      chain,
      { position: cut.position, end, adopted: end !== cut.end },
      scored.map(recordTimeMs),
    );
    this.ports.reports.lane(chain, lane);
    this.#status.wait('none');
    if (lane.bytes <= laneBytesMax / 2) this.#intake?.resume();
  }

  #commit(offset: number): void {
    const metadata: CommitMetadata = {
      epoch: this.options.epoch,
      ...(this.#head ? { head: true } : {}),
      ...(this.#tail ? { tail: this.#tail } : {}),
    };
    this.#committer.commit(offset, encodeCommitMetadata(metadata));
  }

  /** All before it is decided. What cannot be read may be taken out of the log, or come whole the next time. */
  async #untilReadable(intake: Intake, { from, reason }: { from: number; reason: string }): Promise<void> {
    await this.#status.blocked(
      `offset ${from} cannot be read: ${reason}. The partition goes on by itself when it can be, or when the records up to behind it are deleted (kafka-delete-records)`,
      from,
    );
    intake.readAgain();
  }

  async #untilWoken(): Promise<void> {
    this.#awaitsRecords = true;
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    void this.ports.source.poll();
    await woken;
    // Later than the fetch that woke it was handled: the consumer must not rest on that one, because the lane is about to ask for the next.
    this.#awaitsRecords = false;
  }

  #failed(error: unknown): void {
    this.#halt(error instanceof HaltError ? error.message : `unexpected: ${messageOf(error)}`);
  }

  #halt(reason: string, offset = this.#lane?.position): void {
    if (this.#status.signal.aborted) return;
    this.#reading.pause();
    this.#status.halt(reason, offset);
    this.#wake();
  }
}
