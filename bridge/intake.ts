import type { PartitionRef } from '../contracts/event-key.ts';
import { boundsAround } from './log-bounds.ts';
import type { ReadStart } from './read-start.ts';
import type { Lane } from './lane.ts';
import { beginAnew, findOffsetGap, TailCheck } from './offset-gap.ts';
import { transition, type Unreadable } from './phases.ts';
import type { PartitionStatus } from './work-status.ts';
import type { Fetch, Source } from '../kafka/source.ts';
import type { BridgeReports } from './reports.ts';

/** What the partition does about fetches, besides taking them. */
export interface IntakeHandlers {
  /** There are records to start a batch with. */
  filled(): void;
  /** The position's commit may have been destroyed, or means more than before. */
  recommit(): void;
  halt(reason: string, offset?: number): void;
  /** The log is not the one that the position was found for. */
  recreated(reason: string, offset: number): void;
  failed(error: unknown): void;
}

export interface IntakeOptions {
  partition: PartitionRef;
  /** Bytes a lane holds before its partition is paused; it is resumed at half of that. */
  laneBytesMax: () => number;
}

/** Whether the consumer reads for the lane, and what a fetch means now. In all but `verifying` and `reading`, fetches are dropped. */
export type IntakePhase =
  /** The consumer is paused: before the first read, and while the lane is full. `mustSeek`: its place may not be the lane's tail. */
  | { kind: 'paused'; mustSeek: boolean }
  /** The first fetch after an assignment must hold the record that the commit names. */
  | { kind: 'verifying'; check: TailCheck }
  /** Fetches go into the lane. */
  | { kind: 'reading' }
  /** A fetch did not continue the lane. The log is asked, and until it replies nothing else resumes the consumer. */
  | { kind: 'judging' }
  /** What follows the lane's tail cannot be read. Left only by `readAgain`. */
  | { kind: 'unreadable'; unreadable: Unreadable };

/** Where each phase may lead. */
export const intakeTransitions: {
  readonly [from in IntakePhase['kind']]: readonly IntakePhase['kind'][];
} = {
  paused: ['paused', 'verifying', 'reading'],
  verifying: ['reading', 'paused'],
  reading: ['paused', 'judging', 'unreadable'],
  judging: ['paused'],
  unreadable: ['paused'],
};

/** The way of fetches into the lane: only what continues it gets in, and what does not is judged by the log itself. */
export class Intake {
  #phase: IntakePhase = { kind: 'paused', mustSeek: false };
  /** The tail that was asked for again; see `findOffsetGap`. */
  #askedAgainAt = -1;
  #logEnd = 0;
  /** The next fetch tells whether it can be read now. */
  #readsAgain = false;

  constructor(
    private readonly lane: Lane,
    private readonly status: PartitionStatus,
    private readonly ports: { source: Source; reports: BridgeReports },
    private readonly handlers: IntakeHandlers,
    private readonly options: IntakeOptions,
  ) {}

  /** True while the consumer does not read. */
  get isPaused(): boolean {
    return this.#phase.kind !== 'reading' && this.#phase.kind !== 'verifying';
  }

  /** True while the log holds more, and the lane has room for it. */
  get isBehind(): boolean {
    return !this.isPaused && this.lane.tail < this.#logEnd;
  }

  /** The next offset that will be written, as the last fetch had it. */
  get logEnd(): number {
    return this.#logEnd;
  }

  /** Begins to read. */
  begin({ offset, verify, lostTo }: ReadStart): void {
    if (lostTo !== undefined) this.#lost(lostTo);
    this.seek(offset);
    if (this.status.isOver) return;
    this.#enter(verify ? { kind: 'verifying', check: new TailCheck(verify, offset) } : { kind: 'reading' });
    this.ports.source.resume(this.options.partition.partition);
  }

  /** Takes a fetch. Returns whether the next poll may begin behind it. */
  fetched(fetch: Fetch): boolean {
    const phase = this.#phase;
    if (phase.kind === 'verifying') return this.#verifyTail(phase.check, fetch);
    if (phase.kind === 'reading') return this.#take(fetch);
    // The consumer goes on by itself behind a fetch without visible records. After the other phases it is told where to read anyway.
    if (phase.kind === 'paused') this.#enter({ kind: 'paused', mustSeek: true });
    return false;
  }

  /** Why nothing behind the lane's tail can be read. Undefined while it can. */
  get unreadable(): Unreadable | undefined {
    return this.#phase.kind === 'unreadable' ? this.#phase.unreadable : undefined;
  }

  /** Asks again for what could not be read. */
  readAgain(): void {
    this.#enter({ kind: 'paused', mustSeek: true });
    this.#readsAgain = true;
    this.resume();
  }

  /** Tells the consumer where to read. */
  seek(offset: number): void {
    this.ports.source.seek(this.options.partition.partition, offset);
  }

  /** Lets the consumer read on behind the lane's tail, where nothing but a full lane kept it from that. */
  resume(): void {
    if (this.status.isOver || this.#phase.kind !== 'paused') return;
    if (this.#phase.mustSeek) this.seek(this.lane.tail);
    this.#enter({ kind: 'reading' });
    this.ports.source.resume(this.options.partition.partition);
  }

  /** Stops the consumer for good. */
  halt(): void {
    if (!this.isPaused) this.#pause({ kind: 'paused', mustSeek: false });
  }

  #enter(phase: IntakePhase): void {
    this.#phase = transition(intakeTransitions, this.#phase, phase);
  }

  #pause(phase: IntakePhase): void {
    this.#enter(phase);
    this.ports.source.pause(this.options.partition.partition);
  }

  #take(fetch: Fetch): boolean {
    const { lane } = this;
    if (lane.accept(fetch) !== 'appended') {
      this.#pause({ kind: 'judging' });
      this.#outOfPlace(fetch.fetchedOffset).catch((error: unknown) => this.handlers.failed(error));
      return false;
    }
    this.#askedAgainAt = -1;
    this.#logEnd = fetch.logEnd;
    if (fetch.unreadable) this.#pause({ kind: 'unreadable', unreadable: fetch.unreadable });
    else if (lane.bytes >= this.options.laneBytesMax()) this.#pause({ kind: 'paused', mustSeek: false });
    else if (this.#readsAgain) this.status.wait('none');
    this.#readsAgain = false;
    this.ports.reports.lane(this.options.partition, lane);
    if (fetch.records.length > 0 || fetch.unreadable) this.handlers.filled();
    return true;
  }

  /** Takes nothing before the record that was marked is known to be there still. */
  #verifyTail(check: TailCheck, fetch: Fetch): boolean {
    const verdict = check.judge(fetch);
    if (verdict === 'other') {
      this.handlers.recreated(
        `offset ${check.offset} holds another record than the one that a batch had: the topic was recreated. ${beginAnew(this.options.partition)}`,
        check.offset,
      );
      return false;
    }
    if (verdict === 'ask_again') {
      this.seek(check.readFrom);
      return false;
    }
    this.#enter({ kind: 'reading' });
    const { tail } = this.lane;
    const reachesTail = fetch.fetchedOffset < tail && fetch.endOffset >= tail;
    return this.#take(
      reachesTail
        ? { ...fetch, fetchedOffset: tail, records: fetch.records.filter(({ offset }) => offset >= tail) }
        : fetch,
    );
  }

  /** A fetch that does not continue the lane: the log is asked what lies between, and until that is known nothing else resumes the partition. */
  async #outOfPlace(fetchedOffset: number): Promise<void> {
    const { lane } = this;
    const log = await this.status.untilDone('kafka', (tries) =>
      boundsAround(this.ports.source, this.options.partition.partition, lane.tail, tries),
    );
    if (!log || this.status.isOver) return;
    // The tail may have moved meanwhile: a batch that was adopted can end behind it.
    const verdict = findOffsetGap(fetchedOffset, lane.tail, log, this.#askedAgainAt === lane.tail);
    if (verdict.kind === 'lost') this.#lost(verdict.to);
    // kafkajs replaces our commit by a default without metadata when it was sent outside of the log.
    else this.handlers.recommit();
    if (verdict.kind === 'halt') return this.handlers.halt(`${verdict.reason}. ${beginAnew(this.options.partition)}`);
    if (verdict.kind === 'skip') lane.skipTo(verdict.to);
    if (verdict.kind === 'ask_again' && fetchedOffset > lane.tail) this.#askedAgainAt = lane.tail;
    this.#enter({ kind: 'paused', mustSeek: true });
    if (lane.bytes < this.options.laneBytesMax()) this.resume();
  }

  /** Retention was faster: the chain goes on over what was deleted, and has no hole. */
  #lost(to: number): void {
    this.ports.reports.lost(this.options.partition, { from: this.lane.tail, to });
    this.lane.skipTo(to);
    this.handlers.recommit();
  }
}
