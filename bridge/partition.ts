import { messageOf } from '../contracts/failures.ts';
import { recordTimeMs } from '../contracts/record-time.ts';
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
import { nextPhase, type Unreadable } from './partition-phase.ts';
import { standingOf, type Standing, type Work } from './standing.ts';
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
  /** Undefined while the first position is looked for. */
  #work: Work | undefined;
  /** Holds the phase: see `PartitionPhase`. */
  readonly #status: PartitionStatus;
  readonly #committer: Committer;
  readonly #partition: number;
  #idle: Promise<void> = Promise.resolve();
  /** A request, which the phase follows after the batch that is under way. */
  #draining = false;

  constructor(
    private readonly ports: PartitionPorts,
    private readonly options: PartitionOptions,
  ) {
    this.#partition = options.chain.partition;
    this.#status = new PartitionStatus(ports, options.chain);
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
    return !this.#status.isOver && (this.#status.phase.kind === 'records' || (this.#work?.intake.isBehind ?? false));
  }

  get position(): number | undefined {
    return this.#work?.lane.position;
  }

  /** No record below this offset is left to do; see `Lane.doneBelow`. */
  get doneBelow(): number | undefined {
    return this.#work?.lane.doneBelow;
  }

  /** How it stands, as far as it knows by itself. */
  get standing(): Standing {
    const { phase, waiting } = this.#status;
    return standingOf(this.options.chain, this.#work, phase, waiting, this.ports.clock.nowMs());
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
    this.#wakeUp();
    await this.#idle;
    await this.#committer.settled();
  }

  /** Stops for good. Resolves when no start of this partition is under way. */
  abandon(): Promise<void> {
    this.#wakeUp();
    this.#status.abandon();
    return this.#idle;
  }

  /** Takes a fetch. Returns whether the next poll may begin behind it. */
  fetched(fetch: Fetch): boolean {
    try {
      return !this.#status.isOver && (this.#work?.intake.fetched(fetch) ?? false);
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
    const intake = new Intake(lane, this.#status, this.ports, this.#intakeHandlers(lane), this.options);
    const work: Work = { lane, intake, head: start.head, tail: start.tail };
    this.#work = work;
    intake.begin(read);
    await this.#loop(work);
  }

  async #loop(work: Work): Promise<void> {
    for (this.#goOn(work); ; this.#goOn(work)) {
      const { phase } = this.#status;
      if (phase.kind === 'records') {
        void this.ports.source.poll();
        // Goes on later than the fetch that woke it was handled: the consumer must not rest on that one, because the lane is about to ask for the next.
        await phase.woken;
      } else if (phase.kind === 'unreadable') await this.#untilReadable(work.intake, phase);
      else if (phase.kind === 'scoring') await this.#nextBatch(work);
      else return;
    }
  }

  /** Enters the phase that the lane asks for. */
  #goOn({ lane, intake }: Work): void {
    if (this.#status.isOver) return;
    const phase = nextPhase(lane.isEmpty, intake.unreadable, this.ports.clock.nowMs());
    this.#status.enter(this.#draining ? { kind: 'drained' } : phase);
  }

  #wakeUp(): void {
    const { phase } = this.#status;
    if (phase.kind === 'records') phase.wake();
    else this.ports.budget.recheck();
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
      filled: () => this.#wakeUp(),
      recommit: () => this.#commit(lane.position),
      halt: (reason: string, offset?: number) => this.#halt(reason, offset),
      failed: (error: unknown) => this.#failed(error),
    };
  }

  async #nextBatch(work: Work): Promise<void> {
    const { lane, intake } = work;
    const { budget, openBatches, source } = this.ports;
    const status = this.#status;
    if (openBatches.isFull()) {
      status.wait('open_batches');
      await openBatches.admit(status.signal);
      status.wait('none');
    }
    const isFull = () => this.#draining || intake.isPaused || lane.isFull(this.options.caps);
    const endTurn = await budget.acquire(status.signal, isFull);
    try {
      // What came while the lane waited goes along.
      await source.poll();
      if (status.isOver || this.#draining) return;
      const startedMs = this.ports.clock.nowMs();
      const scored = await startBatch(this.ports, lane, work.head, status, this.options);
      if (!scored) return;
      this.options.caps.scored?.(scored.cut.records.length, this.ports.clock.nowMs() - startedMs);
      this.#scored(work, scored);
    } finally {
      endTurn();
    }
  }

  /** Goes on from the end of the run that exists, whatever end this lane had cut. */
  #scored(work: Work, { cut, end }: ScoredBatch): void {
    const { lane, intake } = work;
    const { chain, laneBytesMax } = this.options;
    const scored = cut.records.filter((record) => record.offset < end);
    const last = end <= cut.end ? scored.at(-1) : undefined;
    work.tail = last && { offset: last.offset, hash: recordHash(last) };
    work.head = false;
    const mustSeek = lane.advance(end);
    if (mustSeek) intake.seek(end);
    this.#commit(end);
    this.ports.reports.scored(
      chain,
      { position: cut.position, end, adopted: end !== cut.end },
      scored.map(recordTimeMs),
    );
    this.ports.reports.lane(chain, lane);
    this.#status.wait('none');
    if (lane.bytes <= laneBytesMax / 2) intake.resume();
  }

  #commit(offset: number): void {
    const metadata: CommitMetadata = {
      epoch: this.options.epoch,
      ...(this.#work?.head ? { head: true } : {}),
      ...(this.#work?.tail ? { tail: this.#work.tail } : {}),
    };
    this.#committer.commit(offset, encodeCommitMetadata(metadata));
  }

  /** All before it is decided. What cannot be read may be taken out of the log, or come whole the next time. */
  async #untilReadable(intake: Intake, { from, reason }: Unreadable): Promise<void> {
    await this.#status.blocked(
      `offset ${from} cannot be read: ${reason}. The partition goes on by itself when it can be, or when the records up to behind it are deleted (kafka-delete-records)`,
      from,
    );
    intake.readAgain();
  }

  #failed(error: unknown): void {
    this.#halt(error instanceof HaltError ? error.message : `unexpected: ${messageOf(error)}`);
  }

  #halt(reason: string, offset = this.#work?.lane.position): void {
    if (this.#status.signal.aborted) return;
    this.#work?.intake.halt();
    this.#wakeUp();
    this.#status.halt(reason, offset);
  }
}
