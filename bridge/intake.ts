import type { Chain } from '../contracts/event-key.ts';
import { boundsAround } from './log-bounds.ts';
import { type ReadStart } from './assignment.ts';
import type { Lane } from './lane.ts';
import { beginAnew, findOffsetGap } from './offset-gap.ts';
import type { PartitionStatus } from './partition-status.ts';
import type { Fetch, Source } from '../kafka/source.ts';
import type { Reading } from './reading.ts';
import type { BridgeReports } from './reports.ts';
import { TailCheck } from './tail-check.ts';

/** What the partition does about fetches, besides taking them. */
export interface IntakeHandlers {
  /** There are records to start a batch with. */
  filled(): void;
  /** The position's commit may have been destroyed, or means more than before. */
  recommit(): void;
  halt(reason: string, offset?: number): void;
  failed(error: unknown): void;
}

export interface IntakeOptions {
  chain: Chain;
  /** Bytes a lane holds before its partition is paused; it is resumed at half of that. */
  laneBytesMax: number;
}

/** The way of fetches into the lane: only what continues it gets in, and what does not is judged by the log itself. */
export class Intake {
  #tailCheck: TailCheck | undefined;
  /** The tail that was asked for again; see `findOffsetGap`. */
  #askedAgainAt = -1;
  #logEnd = 0;
  #unreadable: Fetch['unreadable'];
  /** The next fetch tells whether it can be read now. */
  #readsAgain = false;

  constructor(
    private readonly lane: Lane,
    private readonly reading: Reading,
    private readonly status: PartitionStatus,
    private readonly ports: { source: Source; reports: BridgeReports },
    private readonly handlers: IntakeHandlers,
    private readonly options: IntakeOptions,
  ) {}

  /** True while the log holds more, and the lane has room for it. */
  get isBehind(): boolean {
    return !this.reading.isPaused && this.lane.tail < this.#logEnd;
  }

  /** The next offset that will be written, as the last fetch had it. */
  get logEnd(): number {
    return this.#logEnd;
  }

  /** Begins to read. */
  begin({ offset, verify, lostTo }: ReadStart): void {
    if (lostTo !== undefined) this.#lost(lostTo);
    this.#tailCheck = verify && new TailCheck(verify, offset);
    this.reading.seek(offset);
    this.resume();
  }

  /** Takes a fetch. Returns whether the next poll may begin behind it. */
  fetched(fetch: Fetch): boolean {
    if (this.reading.isPaused) {
      // The consumer goes on by itself behind a fetch without visible records.
      this.reading.lostItsPlace();
      return false;
    }
    return this.#tailCheck ? this.#verifyTail(this.#tailCheck, fetch) : this.#take(fetch);
  }

  /** Why nothing behind the lane's tail can be read. Undefined while it can. */
  get unreadable(): Fetch['unreadable'] {
    return this.#unreadable;
  }

  /** Asks again for what could not be read. */
  readAgain(): void {
    this.#unreadable = undefined;
    this.#readsAgain = true;
    this.reading.lostItsPlace();
    this.resume();
  }

  resume(): void {
    if (!this.status.isOver && this.#unreadable === undefined)
      this.reading.resume(this.#tailCheck?.readFrom ?? this.lane.tail);
  }

  #take(fetch: Fetch): boolean {
    const { lane } = this;
    if (lane.accept(fetch) !== 'appended') {
      this.reading.hold();
      this.#outOfPlace(fetch.fetchedOffset).catch((error: unknown) => this.handlers.failed(error));
      return false;
    }
    this.#askedAgainAt = -1;
    this.#logEnd = fetch.logEnd;
    this.#unreadable = fetch.unreadable;
    if (fetch.unreadable || lane.bytes >= this.options.laneBytesMax) this.reading.pause();
    else if (this.#readsAgain) this.status.wait('none');
    this.#readsAgain = false;
    this.ports.reports.lane(this.options.chain, lane);
    if (fetch.records.length > 0 || fetch.unreadable) this.handlers.filled();
    return true;
  }

  /** Takes nothing before the record that was marked is known to be there still. */
  #verifyTail(check: TailCheck, fetch: Fetch): boolean {
    const verdict = check.judge(fetch);
    if (verdict === 'other') {
      this.handlers.halt(
        `offset ${check.offset} holds another record than the one that a batch had: the topic was recreated. ${beginAnew}`,
        check.offset,
      );
      return false;
    }
    if (verdict === 'ask_again') {
      this.reading.seek(check.readFrom);
      return false;
    }
    this.#tailCheck = undefined;
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
    const { lane, reading } = this;
    const log = await this.status.untilDone('kafka', (tries) =>
      boundsAround(this.ports.source, this.options.chain.partition, lane.tail, tries),
    );
    if (!log || this.status.isOver) return;
    // The tail may have moved meanwhile: a batch that was adopted can end behind it.
    const verdict = findOffsetGap(fetchedOffset, lane.tail, log, this.#askedAgainAt === lane.tail);
    if (verdict.kind === 'lost') this.#lost(verdict.to);
    // kafkajs replaces our commit by a default without metadata when it was sent outside of the log.
    else this.handlers.recommit();
    if (verdict.kind === 'halt') return this.handlers.halt(verdict.reason);
    if (verdict.kind === 'skip') lane.skipTo(verdict.to);
    if (verdict.kind === 'ask_again' && fetchedOffset > lane.tail) this.#askedAgainAt = lane.tail;
    reading.release();
    reading.lostItsPlace();
    if (lane.bytes < this.options.laneBytesMax) this.resume();
  }

  /** Retention was faster: the chain goes on over what was deleted, and has no hole. */
  #lost(to: number): void {
    this.ports.reports.lost(this.options.chain, { from: this.lane.tail, to });
    this.lane.skipTo(to);
    this.handlers.recommit();
  }
}
