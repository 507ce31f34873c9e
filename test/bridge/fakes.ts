import type { BatchStart, LastStarted, StartAnswer, Starter } from '../../temporal/starter.ts';
import type { Clock } from '../../bridge/clock.ts';
import type { Commit, Fetch, LogBounds, Source, SourceHandlers } from '../../kafka/source.ts';
import type { BridgeReports } from '../../bridge/reports.ts';
import type { RunWait } from '../../temporal/run-waits.ts';
import type { KafkaRecord } from '../../contracts/records-frame.ts';

export function recordAt(offset: number, text = `v${offset}`): KafkaRecord {
  return { offset, timestampMs: 1_000 + offset, key: null, value: Buffer.from(text) };
}

/** A fetch of the records at these offsets. */
export function fetchOf(
  fetchedOffset: number,
  records: KafkaRecord[],
  endOffset = (records.at(-1)?.offset ?? fetchedOffset - 1) + 1,
): Fetch {
  return { partition: 0, fetchedOffset, endOffset, logEnd: endOffset, records };
}

/** A source that does nothing by itself and remembers what it was told. */
export class FakeSource implements Source {
  handlers: SourceHandlers | undefined;
  commits: { offset: number; metadata: string }[] = [];
  seeks: number[] = [];
  paused = false;
  stored: Commit = { offset: null, metadata: null };
  log: LogBounds | Error = { start: 0, end: 0 };
  /** Offsets of the records that may be read; absent = all. */
  readable: ((offset: number) => boolean) | undefined;
  failCommits = false;
  /** What the next poll brings while a lane waits for it. */
  onPoll: () => void = () => {};

  start(handlers: SourceHandlers): Promise<void> {
    this.handlers = handlers;
    return Promise.resolve();
  }
  stop(): Promise<void> {
    this.handlers = undefined;
    return Promise.resolve();
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  seek(_: number, offset: number): void {
    this.seeks.push(offset);
  }
  poll(): Promise<void> {
    this.onPoll();
    return Promise.resolve();
  }
  commit(_: number, offset: number, metadata: string): Promise<void> {
    if (this.failCommits) return Promise.reject(new Error('no commit'));
    this.commits.push({ offset, metadata });
    this.stored = { offset, metadata };
    return Promise.resolve();
  }
  commitAll(offsets: ReadonlyMap<number, number>, metadata: string): Promise<void> {
    return this.commit(0, offsets.get(0)!, metadata);
  }
  committed(): Promise<Map<number, Commit>> {
    return Promise.resolve(new Map([[0, this.stored]]));
  }
  bounds(): Promise<Map<number, LogBounds | Error>> {
    return Promise.resolve(new Map([[0, this.log]]));
  }
  firstRecord(_: number, offset: number): Promise<{ offset: number } | { noneBelow: number }> {
    const end = this.log instanceof Error ? offset : this.log.end;
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

/** The server's side of starts: the first start at a position fixes its end. `answer` may stand in for it. */
export class FakeStarter implements Starter {
  readonly ends = new Map<number, number>();
  readonly starts: BatchStart[] = [];
  last: LastStarted | undefined;
  answer: ((start: BatchStart) => StartAnswer | undefined | Promise<StartAnswer | undefined>) | undefined;

  async start(start: BatchStart): Promise<StartAnswer> {
    this.starts.push(start);
    const answer = await this.answer?.(start);
    if (answer) return answer;
    const end = this.ends.get(start.position) ?? start.end;
    this.ends.set(start.position, end);
    return { kind: 'scored', position: start.position, end, count: start.count };
  }

  /** Why a run is not scored. */
  wait: RunWait | undefined;

  explain(): Promise<RunWait | undefined> {
    return Promise.resolve(this.wait);
  }

  lastStarted(): Promise<LastStarted | undefined> {
    return Promise.resolve(this.last);
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

export function recordingReports(): BridgeReports & { events: { what: string; detail: unknown }[] } {
  const events: { what: string; detail: unknown }[] = [];
  const note = (what: string) => (_: unknown, detail?: unknown) => void events.push({ what, detail });
  return {
    events,
    scored: note('scored'),
    lane: () => {},
    lost: note('lost'),
    halted: note('halted'),
    waiting: () => {},
    commitFailed: note('commitFailed'),
    revoked: note('revoked'),
  };
}
