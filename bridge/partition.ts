import type { Chain } from '../contracts/event-key.ts';
import { encodeRecords, type KafkaRecord } from '../contracts/records-frame.ts';
import { boundsOf, HaltError, resolveStart, type StartOptions, type StartPosition } from './assignment.ts';
import type { Budget } from './budget.ts';
import { encodeCommitMetadata, recordHash, type CommitMetadata } from './commit-metadata.ts';
import { Lane, type BatchCaps, type Cut } from './lane.ts';
import type { BatchStart, Clock, Commit, Fetch, Source, Starter } from './ports.ts';
import type { BridgeReports, WaitReason } from './reports.ts';

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
  #expectedTail: StartPosition['tail'];
  #head = false;
  #paused = true;
  #halted: string | undefined;
  /** The tail at which a fetch began above it; see `#above`. */
  #recheckedTail = -1;
  #wake: () => void = () => {};
  #tailRecord: KafkaRecord | undefined;
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

  /** Finds the position and works until abandoned. Never rejects: what goes wrong is reported and retried, or halts the partition. */
  run(commits: () => Promise<Map<number, Commit>>): Promise<void> {
    this.ports.source.pause(this.#partition);
    this.#idle = this.#run(commits).catch((error: unknown) => this.#halt(error instanceof HaltError ? error.message : `unexpected: ${String(error)}`));
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
    if (!lane || this.#paused || this.#isOver) return false;
    this.ports.reports.logEnd(this.options.chain, fetch.logEnd, lane.position);
    if (this.#expectedTail) return this.#verifyTail(lane, fetch);
    const acceptance = lane.accept(fetch);
    if (acceptance === 'appended') {
      this.#appended(lane, fetch.records);
      return true;
    }
    this.#pause();
    void this.#outOfPlace(lane, acceptance, fetch.fetchedOffset);
    return false;
  }

  get #isOver(): boolean {
    return this.#abandoned.signal.aborted || this.#halted !== undefined;
  }

  async #run(commits: () => Promise<Map<number, Commit>>): Promise<void> {
    const start = await this.#untilDone('kafka', async () => resolveStart(this.ports.source, this.#partition, (await commits()).get(this.#partition), this.options));
    if (!start || this.#isOver) return;
    this.#lane = new Lane(start.position);
    this.#head = start.head;
    this.#expectedTail = start.tail;
    this.ports.source.seek(this.#partition, start.tail?.offset ?? start.position);
    this.#resume();
    while (!this.#isOver && !this.#draining) await this.#nextBatch(this.#lane);
  }

  async #nextBatch(lane: Lane): Promise<void> {
    if (lane.isEmpty) return this.#untilWoken();
    const { budget, openBatches } = this.ports;
    if (openBatches.isFull()) {
      this.#waiting('open_batches');
      await openBatches.admit(this.#abandoned.signal);
    }
    await budget.acquire(this.#abandoned.signal);
    if (this.#isOver || this.#draining) return;
    const cut = lane.cut(this.options.caps);
    if (!cut) return;
    const end = await this.#start(cut);
    if (end === undefined || this.#isOver) return;
    this.#scored(lane, cut, end);
  }

  /** Starts the cut as a batch, however long that takes. Answers the end of the run that exists at its position. */
  async #start(cut: Cut): Promise<number | undefined> {
    const { chain, startDeadlineMs } = this.options;
    const range = { position: cut.position, end: cut.end, count: cut.records.length, ...(this.#head ? { head: true } : {}) };
    const start: BatchStart = {
      chain,
      ...range,
      head: this.#head,
      records: encodeRecords({ ...chain, ...range }, cut.records),
      firstRecordMs: cut.records[0]!.timestampMs,
    };
    return this.#untilDone('temporal', async () => {
      const answer = await this.ports.starter.start(start, startDeadlineMs);
      if (answer.kind === 'scored') return answer.end;
      if (answer.kind === 'blocked') await this.#blocked(answer.reason);
      throw new Error(answer.reason);
    });
  }

  /** An operator must re-drive the run; until then this partition stands still, and looks again now and then. */
  async #blocked(reason: string): Promise<void> {
    this.ports.reports.halted(this.options.chain, reason);
    await this.ports.clock.sleep(blockedMs, this.#abandoned.signal);
  }

  #scored(lane: Lane, cut: Cut, end: number): void {
    const scored = cut.records.filter((record) => record.offset < end);
    this.#tailRecord = end <= cut.end ? scored.at(-1) : undefined;
    this.#head = false;
    const mustSeek = lane.advance(end);
    if (mustSeek) this.ports.source.seek(this.#partition, end);
    this.#commit(end);
    this.ports.reports.scored(this.options.chain, { position: cut.position, end, adopted: end !== cut.end }, scored.map((record) => record.timestampMs));
    this.ports.reports.lane(this.options.chain, lane);
    this.#waiting('none');
    if (this.#paused && lane.bytes <= this.options.laneBytesMax / 2) this.#resume();
  }

  /** Committing is not waited for: a commit that is lost only means that scored batches are found again. */
  #commit(offset: number): void {
    const metadata: CommitMetadata = { epoch: this.options.epoch };
    if (this.#tailRecord) metadata.tail = { offset: this.#tailRecord.offset, hash: recordHash(this.#tailRecord) };
    this.#lastCommit = this.ports.source.commit(this.#partition, offset, encodeCommitMetadata(metadata)).catch((error: unknown) => this.ports.reports.commitFailed(this.options.chain, offset, error));
  }

  #appended(lane: Lane, records: readonly KafkaRecord[]): void {
    this.#recheckedTail = -1;
    if (lane.bytes >= this.options.laneBytesMax) this.#pause();
    this.ports.reports.lane(this.options.chain, lane);
    if (records.length > 0) this.#wake();
  }

  /** The first fetch after an assignment begins at the last record of the chain: it must be the one that was committed. */
  #verifyTail(lane: Lane, fetch: Fetch): boolean {
    const expected = this.#expectedTail!;
    const record = fetch.records.find(({ offset }) => offset === expected.offset);
    if (record && recordHash(record) !== expected.hash) {
      this.#halt(`offset ${expected.offset} holds another record than the one that was scored: the topic was recreated. Run: headrace epoch bump --start earliest`);
      return false;
    }
    this.#expectedTail = undefined;
    const rest = { ...fetch, fetchedOffset: lane.tail, records: fetch.records.filter(({ offset }) => offset >= lane.tail) };
    if (fetch.fetchedOffset <= expected.offset && fetch.endOffset >= lane.tail) {
      lane.accept(rest);
      this.#appended(lane, rest.records);
      return true;
    }
    this.ports.source.seek(this.#partition, lane.tail);
    return true;
  }

  /**
   * A fetch that does not continue the lane. Below the tail: the log may have been cut. Above: nothing but the log itself can
   * tell a legal gap from a loss; and as a stale answer looks the same, the first time the tail is asked for once more.
   */
  async #outOfPlace(lane: Lane, acceptance: 'below' | 'above', fetchedOffset: number): Promise<void> {
    const { chain } = this.options;
    const bounds = await this.#untilDone('kafka', () => boundsOf(this.ports.source, this.#partition));
    if (!bounds || this.#isOver) return;
    if (bounds.end < lane.tail) {
      return this.#halt(`the log ends at ${bounds.end}, below offset ${lane.tail} that was read already: the topic was truncated or recreated. Run: headrace epoch bump --start earliest|OFFSET`);
    }
    if (acceptance === 'above') {
      if (bounds.start > lane.tail) {
        this.ports.reports.lost(chain, { from: lane.tail, to: bounds.start });
        lane.skipTo(bounds.start);
        // kafkajs has just replaced our commit by a default without metadata.
        this.#commit(lane.position);
      } else if (this.#recheckedTail === lane.tail) {
        lane.skipTo(fetchedOffset);
      } else {
        this.#recheckedTail = lane.tail;
      }
    }
    this.ports.source.seek(this.#partition, lane.tail);
    this.#resume();
  }

  /** Tries until it succeeds or the partition is over, with back-off. A HaltError passes through. */
  async #untilDone<T>(reason: WaitReason, attempt: () => Promise<T>): Promise<T | undefined> {
    for (let tries = 0; !this.#isOver; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof HaltError) throw error;
        this.#waiting(reason, error);
        await this.ports.clock.sleep(Math.min(retryMsMax, retryMsMin * 2 ** Math.min(tries, 10)), this.#abandoned.signal);
      }
    }
    return undefined;
  }

  #untilWoken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
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
    if (!this.#paused || this.#isOver) return;
    this.#paused = false;
    this.ports.source.resume(this.#partition);
  }
}
