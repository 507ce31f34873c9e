import type { PartitionRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { CommitMetadata } from './commit-metadata.ts';
import type { Clock } from './clock.ts';
import { Intake } from './intake.ts';
import { Lane } from './lane.ts';
import { resolveRead, type PartitionStart, type ReadStart } from './read-start.ts';
import type { BridgeReports, WaitReason } from './reports.ts';
import { createPartitionStatus, HaltError, type PartitionStatus } from './work-status.ts';
import type { Fetch, Source } from '../kafka/source.ts';

export interface PartitionPorts {
  source: Source;
  clock: Clock;
  reports: BridgeReports;
}

/** What a partition tells its chain. */
export interface PartitionHandlers {
  /** Its lane has records. */
  filled(): void;
  /** The position's commit may have been destroyed, or means more than before. */
  recommit(): void;
  /** What it waits for changed. */
  waiting(reason: WaitReason, error?: unknown): void;
  /** What the chain knows of its positions is wrong. */
  haltChain(reason: string): void;
}

export interface PartitionOptions {
  ref: PartitionRef;
  /** Bytes a lane holds before its partition is paused; it is resumed at half of that. */
  laneBytesMax: () => number;
}

/** What a partition has once its position is known. */
interface Work {
  readonly lane: Lane;
  readonly intake: Intake;
}

/**
 * One assigned partition: fetches go into its lane, and its chain cuts batches from it. What goes wrong with it alone holds up no other one
 * of the chain. After `abandon` nothing of it has an effect any more.
 */
export class Partition {
  readonly status: PartitionStatus;
  /** The last record below the position, for the commit. */
  tail: CommitMetadata['tail'];
  #work: Work | undefined;

  constructor(
    private readonly ports: PartitionPorts,
    private readonly handlers: PartitionHandlers,
    private readonly options: PartitionOptions,
  ) {
    const { reports, clock } = ports;
    this.status = createPartitionStatus(clock, {
      waiting: (reason, error) => handlers.waiting(reason, error),
      halted: (reason, offset) => reports.halted(options.ref, reason, offset),
    });
  }

  get number(): number {
    return this.options.ref.partition;
  }

  get ref(): PartitionRef {
    return this.options.ref;
  }

  /** Undefined until it is known where it begins. */
  get lane(): Lane | undefined {
    return this.#work?.lane;
  }

  /** The next offset that will be written, as the last fetch had it; 0 before one. */
  get nextOffset(): number {
    return this.#work?.intake.logEnd ?? 0;
  }

  /** True while a batch can take records of it. */
  get isFilled(): boolean {
    return !this.status.isOver && this.#work !== undefined && !this.#work.lane.isEmpty;
  }

  /** True while records of it can come. */
  get isReading(): boolean {
    return this.status.phase.kind === 'reading';
  }

  /** True while the log holds more, and the lane has room for it. */
  get isBehind(): boolean {
    return !this.status.isOver && (this.#work?.intake.isBehind ?? false);
  }

  /** True while its lane gets no more before a batch takes some of it. */
  get isFull(): boolean {
    return this.isFilled && (this.#work?.intake.isPaused ?? false);
  }

  /**
   * Begins to read. Resolves once it reads, or when it is over. Never rejects.
   *
   * @param find finds where; asked again when the chain has taken a batch of the partition meanwhile
   * @param isCurrent says whether that is still so
   */
  async run(find: () => Promise<PartitionStart>, isCurrent: (start: PartitionStart) => boolean): Promise<void> {
    let ofChain = false;
    try {
      let found: PartitionStart | undefined;
      let read: ReadStart | undefined;
      do {
        const start = await this.status.untilDone('kafka', find);
        if (!start || this.status.isOver) return;
        found = start;
        ofChain = start.ofChain;
        read = await this.status.untilDone('kafka', (tries) =>
          resolveRead(this.ports.source, this.options.ref, start, tries),
        );
        if (!read || this.status.isOver) return;
      } while (!isCurrent(found));
      this.status.enter({ kind: 'reading' });
      const lane = new Lane(found.position);
      const intake = new Intake(lane, this.status, this.ports, this.#intakeHandlers(lane, ofChain), {
        partition: this.options.ref,
        laneBytesMax: this.options.laneBytesMax,
      });
      this.#work = { lane, intake };
      intake.begin(read);
    } catch (error) {
      if (ofChain && error instanceof HaltError) this.#haltChain(error.message);
      else this.#failed(error);
    }
  }

  /** Takes a fetch. Returns whether the next poll may begin behind it. */
  fetched(fetch: Fetch): boolean {
    try {
      return !this.status.isOver && (this.#work?.intake.fetched(fetch) ?? false);
    } catch (error) {
      // Thrown on, it would end the consumer with all of its partitions.
      this.#failed(error);
      return false;
    }
  }

  /** Goes on behind what a batch took. */
  advance(end: number): void {
    if (!this.#work || this.status.isOver) return;
    const { lane, intake } = this.#work;
    if (lane.advance(end)) intake.seek(end);
    this.ports.reports.lane(this.options.ref, lane);
    this.status.wait('none');
    if (lane.bytes <= this.options.laneBytesMax() / 2) intake.resume();
    this.#lookUnreadable();
  }

  /** Its chain has halted. */
  end(): void {
    this.#work?.intake.halt();
    this.status.end();
  }

  /** Gives it up. */
  abandon(): void {
    this.status.abandon();
  }

  /** Stops it until the next assignment: an operator must act. */
  halt(reason: string, offset = this.#work?.lane.position): void {
    if (this.status.signal.aborted) return;
    this.#work?.intake.halt();
    this.status.halt(reason, offset);
  }

  /** All partitions of the chain then show the reason, so it says which one it is about. */
  #haltChain(reason: string): void {
    const { topic, partition } = this.options.ref;
    this.handlers.haltChain(`${topic}-${partition}: ${reason}`);
  }

  #intakeHandlers(lane: Lane, ofChain: boolean) {
    return {
      filled: () => {
        this.#lookUnreadable();
        if (!lane.isEmpty) this.handlers.filled();
      },
      recommit: () => this.handlers.recommit(),
      halt: (reason: string, offset?: number) => this.halt(reason, offset),
      recreated: (reason: string, offset: number) => (ofChain ? this.#haltChain(reason) : this.halt(reason, offset)),
      failed: (error: unknown) => this.#failed(error),
    };
  }

  /** Once all before it is decided, what cannot be read holds the partition up, and is asked for now and then. */
  #lookUnreadable(): void {
    const { lane, intake } = this.#work!;
    if (this.status.phase.kind !== 'reading' || !lane.isEmpty || !intake.unreadable) return;
    const { from, reason } = intake.unreadable;
    this.status.enter({ kind: 'unreadable', from, reason });
    // It may be taken out of the log, or come whole the next time.
    this.status
      .blocked(
        `offset ${from} cannot be read: ${reason}. The partition goes on by itself when it can be, or when the records up to behind it are deleted (kafka-delete-records)`,
        from,
      )
      .then(() => {
        if (this.status.isOver) return;
        this.status.enter({ kind: 'reading' });
        intake.readAgain();
      })
      .catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    this.halt(error instanceof HaltError ? error.message : `unexpected: ${messageOf(error)}`);
  }
}
