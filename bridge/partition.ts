import type { Chain } from '../contracts/event-key.ts';
import { encodeRecords } from '../contracts/records-frame.ts';
import { messageOf } from '../contracts/failures.ts';
import { stubOf } from '../runtime/kafka-record.ts';
import { boundsOf, HaltError, resolveRead, resolveStart, type StartOptions } from './assignment.ts';
import type { Budget } from './budget.ts';
import { encodeCommitMetadata, recordHash, type CommitMetadata } from './commit-metadata.ts';
import { Lane, smallerCut, type BatchCaps, type Cut } from './lane.ts';
import { beginAnew, judgePlace } from './out-of-place.ts';
import type { BatchStart, Clock, Commit, Fetch, Source, StartAnswer, Starter } from './ports.ts';
import type { BridgeReports, WaitReason } from './reports.ts';
import { TailCheck } from './tail-check.ts';

export interface PartitionOptions extends StartOptions {
  chain: Chain;
  caps: BatchCaps;
  /** Bytes a lane holds before its partition is paused; it is resumed at half of that. */
  laneBytesMax: number;
  /** Bound on one start attempt. At most a sixth of the session time-out, so that the group never waits for Temporal. */
  startDeadlineMs: number;
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

const retryMsMin = 100;
const retryMsMax = 5_000;
const blockedMs = 10_000;

/**
 * One assigned partition, from assignment until the group takes it away: fetches go into the lane, one batch at a time is started
 * from it, and what was scored is committed. After `abandon` nothing of it has an effect any more, except for a start that is
 * under way: that one is found again by whoever owns the partition next.
 */
export class Partition {
  #lane: Lane | undefined;
  #tailCheck: TailCheck | undefined;
  #head = false;
  #paused = true;
  /** A fetch is out of place, and the log is being asked: until that is known, nothing else may resume the partition. */
  #placing = false;
  /** What the consumer asks for next may not be what the lane needs next. */
  #mustSeek = false;
  #halted: string | undefined;
  /** The tail that was asked for again; see `judgePlace`. */
  #askedAgainAt = -1;
  #wake: () => void = () => {};
  /** The last record below the position, for the commit. */
  #tail: CommitMetadata['tail'];
  #waitReason: WaitReason = 'none';
  readonly #abandoned = new AbortController();
  readonly #partition: number;
  #idle: Promise<void> = Promise.resolve();
  #lastCommit: Promise<void> = Promise.resolve();
  #draining = false;

  constructor(
    private readonly ports: PartitionPorts,
    private readonly options: PartitionOptions,
  ) {
    this.#partition = options.chain.partition;
  }

  /** True while what holds the partition up is known: it must not be mistaken for a consumer that gets nowhere. */
  get isWaiting(): boolean {
    return this.#halted !== undefined || this.#waitReason !== 'none';
  }

  get position(): number | undefined {
    return this.#lane?.position;
  }

  /** No record below this offset is left to do; see `Lane.doneBelow`. */
  get doneBelow(): number | undefined {
    return this.#lane?.doneBelow;
  }

  /** Finds the position and works until abandoned. Never rejects: what goes wrong is reported and retried, or halts the partition. */
  run(commits: () => Promise<Map<number, Commit>>): Promise<void> {
    this.ports.source.pause(this.#partition);
    this.#idle = this.#run(commits).catch((error: unknown) => this.#failed(error));
    return this.#idle;
  }

  /** Ends after the batch that is under way, with its commit. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#wake();
    await this.#idle;
    await this.#lastCommit;
  }

  /** Stops for good. Resolves when no start of this partition is under way. */
  abandon(): Promise<void> {
    this.#abandoned.abort();
    this.#wake();
    return this.#idle;
  }

  /** Takes a fetch. Answers whether the next poll may begin behind it. */
  fetched(fetch: Fetch): boolean {
    const lane = this.#lane;
    if (!lane || this.#isOver) return false;
    if (this.#paused) {
      // The consumer goes on by itself behind a fetch without visible records.
      this.#mustSeek = true;
      return false;
    }
    return this.#tailCheck ? this.#verifyTail(lane, this.#tailCheck, fetch) : this.#take(lane, fetch);
  }

  get #isOver(): boolean {
    return this.#abandoned.signal.aborted || this.#halted !== undefined;
  }

  async #run(commits: () => Promise<Map<number, Commit>>): Promise<void> {
    const { source } = this.ports;
    const start = await this.#untilDone('kafka', async () => resolveStart(source, this.#partition, (await commits()).get(this.#partition), this.options));
    const read = start && (await this.#untilDone('kafka', (tries) => resolveRead(source, this.#partition, start, tries)));
    if (!read || this.#isOver) return;
    this.#lane = new Lane(start.position);
    this.#head = start.head;
    this.#tail = start.tail;
    if (read.lostTo !== undefined) this.#lost(this.#lane, read.lostTo);
    this.#tailCheck = read.verify && new TailCheck(read.verify);
    source.seek(this.#partition, read.offset);
    this.#resume();
    while (!this.#isOver && !this.#draining) await this.#nextBatch(this.#lane);
  }

  async #nextBatch(lane: Lane): Promise<void> {
    if (lane.isEmpty) return this.#untilWoken();
    const { budget, openBatches } = this.ports;
    if (openBatches.isFull()) {
      this.#waiting('open_batches');
      await openBatches.admit(this.#abandoned.signal);
      this.#waiting('none');
    }
    await budget.acquire(this.#abandoned.signal);
    if (this.#isOver || this.#draining) return;
    await this.#startBatch(lane);
  }

  /** Starts the next batch, however long that takes, and goes on from the end of the run that exists at its position. */
  async #startBatch(lane: Lane): Promise<void> {
    let cut = lane.cut(this.options.caps);
    let start = cut && this.#startOf(cut);
    for (let tries = 0; cut && start && !this.#isOver; tries++) {
      const answer = await this.#tryStart(start);
      if (this.#isOver) return;
      const smaller: Cut | undefined = answer.kind === 'too_large' ? smallerCut(lane, cut) : undefined;
      if (answer.kind === 'scored') return this.#scored(lane, cut, answer.end);
      if (answer.kind === 'blocked') await this.#blocked(answer.reason);
      else if (smaller) start = this.#startOf((cut = smaller));
      else await this.#backOff('temporal', answer.reason, tries);
    }
  }

  #tryStart(start: BatchStart): Promise<StartAnswer> {
    return this.ports.starter.start(start, this.options.startDeadlineMs).catch((error: unknown) => ({ kind: 'unknown', reason: messageOf(error) }));
  }

  #startOf(cut: Cut): BatchStart {
    const { chain } = this.options;
    const range = { position: cut.position, end: cut.end, count: cut.records.length };
    const records = encodeRecords({ ...chain, ...range, ...(this.#head ? { head: true } : {}) }, cut.asStub ? cut.records.map(stubOf) : cut.records);
    return { chain, ...range, head: this.#head, records, firstRecordMs: cut.records[0]!.timestampMs };
  }

  /** An operator must re-drive the run; until then this partition stands still, and looks again now and then. */
  async #blocked(reason: string): Promise<void> {
    this.#waitReason = 'halted';
    this.ports.reports.halted(this.options.chain, reason);
    await this.ports.clock.sleep(blockedMs, this.#abandoned.signal);
  }

  #scored(lane: Lane, cut: Cut, end: number): void {
    const scored = cut.records.filter((record) => record.offset < end);
    const last = end <= cut.end ? scored.at(-1) : undefined;
    this.#tail = last && { offset: last.offset, hash: recordHash(last) };
    this.#head = false;
    const mustSeek = lane.advance(end);
    if (mustSeek) this.ports.source.seek(this.#partition, end);
    this.#commit(end);
    this.ports.reports.scored(this.options.chain, { position: cut.position, end, adopted: end !== cut.end }, scored.map((record) => record.timestampMs));
    this.ports.reports.lane(this.options.chain, lane);
    this.#waiting('none');
    if (lane.bytes <= this.options.laneBytesMax / 2) this.#resume();
  }

  /** Committing is not waited for: a commit that is lost only means that scored batches are found again. */
  #commit(offset: number): void {
    const metadata: CommitMetadata = { epoch: this.options.epoch, ...(this.#head ? { head: true } : {}), ...(this.#tail ? { tail: this.#tail } : {}) };
    this.#lastCommit = this.ports.source.commit(this.#partition, offset, encodeCommitMetadata(metadata)).catch((error: unknown) => this.ports.reports.commitFailed(this.options.chain, offset, error));
  }

  #take(lane: Lane, fetch: Fetch): boolean {
    const acceptance = lane.accept(fetch);
    if (acceptance !== 'appended') {
      this.#pause();
      this.#outOfPlace(lane, fetch.fetchedOffset).catch((error: unknown) => this.#failed(error));
      return false;
    }
    this.#askedAgainAt = -1;
    if (lane.bytes >= this.options.laneBytesMax) this.#pause();
    this.ports.reports.lane(this.options.chain, lane);
    this.ports.reports.logEnd(this.options.chain, fetch.logEnd, lane.doneBelow);
    if (fetch.records.length > 0) this.#wake();
    return true;
  }

  /** Takes what lies behind the chain's last record, once that record is known to be the one that was committed. */
  #verifyTail(lane: Lane, check: TailCheck, fetch: Fetch): boolean {
    const verdict = check.judge(fetch);
    if (verdict === 'other') {
      this.#halt(`offset ${check.offset} holds another record than the one that was scored: the topic was recreated. ${beginAnew}`);
      return false;
    }
    if (verdict === 'ask_again') {
      this.ports.source.seek(this.#partition, check.offset);
      return false;
    }
    this.#tailCheck = undefined;
    const reachesTail = fetch.fetchedOffset < lane.tail && fetch.endOffset >= lane.tail;
    return this.#take(lane, reachesTail ? { ...fetch, fetchedOffset: lane.tail, records: fetch.records.filter(({ offset }) => offset >= lane.tail) } : fetch);
  }

  /** A fetch that does not continue the lane: the log is asked what lies between. */
  async #outOfPlace(lane: Lane, fetchedOffset: number): Promise<void> {
    this.#placing = true;
    const log = await this.#untilDone('kafka', () => boundsOf(this.ports.source, this.#partition));
    if (!log || this.#isOver) return;
    // The tail may have moved meanwhile: a batch that was adopted can end behind it.
    const verdict = judgePlace(fetchedOffset, lane.tail, log, this.#askedAgainAt === lane.tail);
    if (verdict.kind === 'lost') this.#lost(lane, verdict.to);
    // kafkajs replaces our commit by a default without metadata when it was sent outside of the log.
    else this.#commit(lane.position);
    if (verdict.kind === 'halt') return this.#halt(verdict.reason);
    if (verdict.kind === 'skip') lane.skipTo(verdict.to);
    if (verdict.kind === 'ask_again' && fetchedOffset > lane.tail) this.#askedAgainAt = lane.tail;
    this.#placing = false;
    this.#mustSeek = true;
    if (lane.bytes < this.options.laneBytesMax) this.#resume();
  }

  /** Retention was faster: the chain goes on over what was deleted, and has no hole. */
  #lost(lane: Lane, to: number): void {
    this.ports.reports.lost(this.options.chain, { from: lane.tail, to });
    lane.skipTo(to);
    this.#commit(lane.position);
  }

  /** Tries until it succeeds or the partition is over, with back-off. A HaltError passes through. */
  async #untilDone<T>(reason: WaitReason, attempt: (tries: number) => Promise<T>): Promise<T | undefined> {
    for (let tries = 0; !this.#isOver; tries++) {
      try {
        const answer = await attempt(tries);
        if (tries > 0) this.#waiting('none');
        return answer;
      } catch (error) {
        if (error instanceof HaltError) throw error;
        await this.#backOff(reason, error, tries);
      }
    }
    return undefined;
  }

  async #backOff(reason: WaitReason, error: unknown, tries: number): Promise<void> {
    this.#waiting(reason, error);
    await this.ports.clock.sleep(Math.min(retryMsMax, retryMsMin * 2 ** Math.min(tries, 10)), this.#abandoned.signal);
  }

  #untilWoken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #failed(error: unknown): void {
    this.#halt(error instanceof HaltError ? error.message : `unexpected: ${String(error)}`);
  }

  #halt(reason: string): void {
    if (this.#abandoned.signal.aborted) return;
    this.#halted = reason;
    this.#pause();
    this.#wake();
    this.ports.reports.halted(this.options.chain, reason);
  }

  #waiting(reason: WaitReason, error?: unknown): void {
    this.#waitReason = reason;
    this.ports.reports.waiting(this.options.chain, reason, error);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.ports.source.pause(this.#partition);
  }

  #resume(): void {
    if (!this.#paused || this.#placing || this.#isOver) return;
    if (this.#mustSeek && this.#lane) this.ports.source.seek(this.#partition, this.#tailCheck?.offset ?? this.#lane.tail);
    this.#mustSeek = false;
    this.#paused = false;
    this.ports.source.resume(this.#partition);
  }
}
