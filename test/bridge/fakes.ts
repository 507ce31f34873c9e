import { batchWorkflowId, type BatchRange } from '../../contracts/event-key.ts';
import type { BehindBatch, ScoredReply } from '../../contracts/names.ts';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import type { Clock } from '../../bridge/clock.ts';
import type { BridgeReports } from '../../bridge/reports.ts';
import type { Commit, Fetch, LogBounds, PartitionCommit, Source, SourceHandlers } from '../../kafka/source.ts';
import type { RunWait } from '../../temporal/run-waits.ts';
import type { BatchStart, LastRun, StartAnswer, Starter } from '../../temporal/starter.ts';

export function recordAt(offset: number, text = `v${offset}`): KafkaRecord {
  return { offset, timestampMs: 1_000 + offset, key: null, value: Buffer.from(text) };
}

/** Records at the offsets `[from, to)`. */
export function recordsAt(from: number, to: number): KafkaRecord[] {
  return Array.from({ length: to - from }, (_, i) => recordAt(from + i));
}

/** A fetch of the records at these offsets, of partition 0. */
export function fetchOf(
  fetchedOffset: number,
  records: KafkaRecord[],
  endOffset = (records.at(-1)?.offset ?? fetchedOffset - 1) + 1,
): Fetch {
  return { partition: 0, fetchedOffset, endOffset, logEnd: endOffset, records };
}

/** What a source was told of one partition, and what its group and its log hold. */
class FakePartition {
  commits: { offset: number; metadata: string }[] = [];
  seeks: number[] = [];
  paused = false;
  stored: Commit = { offset: null, metadata: null };
  log: LogBounds | Error = { start: 0, end: 0 };
}

/** A source that does nothing by itself and remembers what it was told. Without a number its fields are those of partition 0. */
export class FakeSource implements Source {
  readonly partitions: readonly FakePartition[];
  handlers: SourceHandlers | undefined;
  /** Commits as they were sent. */
  requests: (readonly PartitionCommit[])[] = [];
  /** Offsets of the records that may be read; absent = all. */
  readable: ((offset: number) => boolean) | undefined;
  /** What the next poll brings while a lane waits for it. */
  onPoll: () => void = () => {};

  constructor(partitions = 1) {
    this.partitions = Array.from({ length: partitions }, () => new FakePartition());
  }

  get commits(): FakePartition['commits'] {
    return this.partitions[0]!.commits;
  }
  get seeks(): number[] {
    return this.partitions[0]!.seeks;
  }
  set seeks(seeks: number[]) {
    this.partitions[0]!.seeks = seeks;
  }
  get paused(): boolean {
    return this.partitions[0]!.paused;
  }
  set paused(paused: boolean) {
    this.partitions[0]!.paused = paused;
  }
  get stored(): Commit {
    return this.partitions[0]!.stored;
  }
  set stored(stored: Commit) {
    this.partitions[0]!.stored = stored;
  }
  get log(): LogBounds | Error {
    return this.partitions[0]!.log;
  }
  set log(log: LogBounds | Error) {
    this.partitions[0]!.log = log;
  }

  start(handlers: SourceHandlers): Promise<void> {
    this.handlers = handlers;
    return Promise.resolve();
  }
  stop(): Promise<void> {
    this.handlers = undefined;
    return Promise.resolve();
  }
  pause(partition: number): void {
    this.partitions[partition]!.paused = true;
  }
  resume(partition: number): void {
    this.partitions[partition]!.paused = false;
  }
  seek(partition: number, offset: number): void {
    this.partitions[partition]!.seeks.push(offset);
  }
  poll(): Promise<void> {
    this.onPoll();
    return Promise.resolve();
  }
  commit(commits: readonly PartitionCommit[]): Promise<void> {
    this.requests.push(commits);
    for (const { partition, offset, metadata } of commits) {
      this.partitions[partition]!.commits.push({ offset, metadata });
      this.partitions[partition]!.stored = { offset, metadata };
    }
    return Promise.resolve();
  }
  commitAll(commits: readonly PartitionCommit[]): Promise<void> {
    return this.commit(commits);
  }
  committed(): Promise<Map<number, Commit>> {
    return Promise.resolve(new Map(this.partitions.map(({ stored }, partition) => [partition, stored])));
  }
  bounds(): Promise<Map<number, LogBounds | Error>> {
    return Promise.resolve(new Map(this.partitions.map(({ log }, partition) => [partition, log])));
  }
  firstRecord(partition: number, offset: number): Promise<{ offset: number } | { noneBelow: number }> {
    const { log } = this.partitions[partition]!;
    const end = log instanceof Error ? offset : log.end;
    for (let at = offset; at < end; at++) if (this.readable?.(at) ?? true) return Promise.resolve({ offset: at });
    return Promise.resolve({ noneBelow: end });
  }
  timeAt(_: number, offset: number): Promise<number | undefined> {
    return Promise.resolve(1_000 + offset);
  }
  offsetAt(_: number, timeMs: number): Promise<number> {
    return Promise.resolve(timeMs);
  }
}

/** The server's side of starts: the first start of a number fixes its ranges. `answer` may stand in for it. */
export class FakeStarter implements Starter {
  readonly starts: BatchStart[] = [];
  /** Of each start, whether it was said that it had been asked for before. */
  readonly again: boolean[] = [];
  /** The run that a chain finds when it looks for the last one, and the layout of the topic. */
  last: LastRun | undefined;
  layout: { layout: number; chains: number } | undefined;
  answer: ((start: BatchStart) => StartAnswer | undefined | Promise<StartAnswer | undefined>) | undefined;
  /** Why a run is not scored. */
  wait: RunWait | undefined;
  readonly #runs = new Map<string, ScoredReply>();

  /** Where the ranges of the starts begin and end, in their order. */
  get ranges(): [position: number, end: number][] {
    return this.starts.flatMap(({ ranges }) => ranges.map(({ position, end }): [number, number] => [position, end]));
  }

  /** Leaves starts without an answer. Returns what lets them go on. */
  hold(): () => void {
    let release = () => {};
    this.answer = () =>
      new Promise((resolve) => {
        release = () => resolve(undefined);
      });
    return () => release();
  }

  /** Somebody else has started chain 0's batch of this number before. */
  startedBefore(sequence: number, ranges: readonly BatchRange[], behind: Partial<BehindBatch> = {}): void {
    const positions = Object.fromEntries(ranges.map(({ partition, end }) => [partition, end]));
    this.#runs.set(`0:${sequence}`, { ranges, positions, startId: `before-${sequence}`, ...behind });
  }

  async start(start: BatchStart, _deadlineMs: number, again: boolean): Promise<StartAnswer> {
    this.starts.push(start);
    this.again.push(again);
    const answer = await this.answer?.(start);
    if (answer) return answer;
    const { chain, sequence, ranges, positions, untouched } = start;
    const key = `${chain.chain}:${sequence}`;
    const reply = this.#runs.get(key) ?? { ranges, positions, untouched, startId: batchWorkflowId(chain, sequence) };
    this.#runs.set(key, reply);
    return { kind: 'scored', ...reply };
  }

  explain(): Promise<RunWait | undefined> {
    return Promise.resolve(this.wait);
  }

  lastRun(): Promise<LastRun | undefined> {
    return Promise.resolve(this.last);
  }

  lastLayout(): Promise<{ layout: number; chains: number } | undefined> {
    return Promise.resolve(this.layout);
  }
}

/** Time that stands still; sleeping only lets others run. */
export const instantClock: Clock & { slept: number[] } = {
  slept: [],
  nowMs: () => 0,
  wallMs: () => 1_767_225_600_000,
  sleep(ms) {
    this.slept.push(ms);
    return new Promise((resolve) => setImmediate(resolve));
  },
};

interface ReportedEvent {
  what: string;
  partition?: number;
  detail: unknown;
}

export function recordingReports(): BridgeReports & { events: ReportedEvent[] } {
  const events: ReportedEvent[] = [];
  const note =
    (what: string) =>
    ({ partition }: { partition: number }, detail?: unknown) =>
      void events.push({ what, partition, detail });
  return {
    events,
    scored: note('scored'),
    batch: () => {},
    notTaken: (_, chain, sequence) => void events.push({ what: 'notTaken', detail: { chain, sequence } }),
    lane: () => {},
    lost: note('lost'),
    halted: note('halted'),
    waiting: () => {},
    commitFailed: note('commitFailed'),
    revoked: note('revoked'),
  };
}
