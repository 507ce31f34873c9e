import { HaltError, resolveRead, resolveStart, type StartOptions } from './assignment.ts';
import type { Budget } from './budget.ts';
import { encodeCommitMetadata, recordHash, type CommitMetadata } from './commit-metadata.ts';
import { Committer } from './committer.ts';
import { Intake, type IntakeOptions } from './intake.ts';
import { Lane } from './lane.ts';
import { PartitionStatus } from './partition-status.ts';
import type { GroupState } from './first-positions.ts';
import type { Clock, Fetch, LastStarted, Source, Starter } from './ports.ts';
import { Reading } from './reading.ts';
import type { BridgeReports } from './reports.ts';
import { startBatch, type ScoredBatch, type StartBatchOptions } from './start-batch.ts';

export interface PartitionOptions extends StartOptions, IntakeOptions, StartBatchOptions {}

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
    await this.#idle;
    await this.#committer.settled();
  }

  /** Stops for good. Resolves when no start of this partition is under way. */
  abandon(): Promise<void> {
    this.#status.abandon();
    this.#wake();
    return this.#idle;
  }

  /** Takes a fetch. Answers whether the next poll may begin behind it. */
  fetched(fetch: Fetch): boolean {
    return !this.#status.isOver && (this.#intake?.fetched(fetch) ?? false);
  }

  async #run(group: GroupState): Promise<void> {
    const { source } = this.ports;
    const start = await this.#status.untilDone('kafka', () => resolveStart(source, this.#partition, group, () => this.#lastStarted(), this.options));
    const read = start && (await this.#status.untilDone('kafka', (tries) => resolveRead(source, this.#partition, start, tries)));
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
    const last = await this.#status.untilDone('temporal', () => this.ports.starter.lastStarted(this.options.chain, lookUpDeadlineMs));
    if (this.#status.isOver) throw new Error('the partition was given away meanwhile');
    return last;
  }

  #intakeHandlers(lane: Lane) {
    return {
      filled: () => this.#wake(),
      recommit: () => this.#commit(lane.position),
      halt: (reason: string) => this.#halt(reason),
      failed: (error: unknown) => this.#failed(error),
    };
  }

  async #nextBatch(lane: Lane): Promise<void> {
    if (lane.isEmpty) return this.#untilWoken();
    const { budget, openBatches, source, starter } = this.ports;
    const status = this.#status;
    if (openBatches.isFull()) {
      status.waiting('open_batches');
      await openBatches.admit(status.signal);
      status.waiting('none');
    }
    const endTurn = await budget.acquire(status.signal, lane.isFull(this.options.caps) || this.#reading.isPaused);
    try {
      // What came while the lane waited goes along.
      await source.poll();
      if (status.isOver || this.#draining) return;
      const { nowMs } = this.ports.clock;
      const startedMs = nowMs();
      const scored = await startBatch(starter, lane, this.#head, status, this.options);
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
    this.ports.reports.scored(chain, { position: cut.position, end, adopted: end !== cut.end }, scored.map((record) => record.timestampMs));
    this.ports.reports.lane(chain, lane);
    this.#status.waiting('none');
    if (lane.bytes <= laneBytesMax / 2) this.#intake?.resume();
  }

  #commit(offset: number): void {
    const metadata: CommitMetadata = { epoch: this.options.epoch, ...(this.#head ? { head: true } : {}), ...(this.#tail ? { tail: this.#tail } : {}) };
    this.#committer.commit(offset, encodeCommitMetadata(metadata));
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
    this.#halt(error instanceof HaltError ? error.message : `unexpected: ${String(error)}`);
  }

  #halt(reason: string): void {
    if (this.#status.signal.aborted) return;
    this.#reading.pause();
    this.#status.halt(reason);
    this.#wake();
  }
}
