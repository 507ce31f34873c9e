import { decodeCommitMetadata } from '../../bridge/commit-metadata.ts';
import type { Commit, PartitionCommit, Source, SourceHandlers } from '../../kafka/source.ts';
import type { LogRead } from './fake-log.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** One assigned partition, as kafkajs keeps it. */
interface Reader {
  partition: number;
  /** The offset that the next poll asks for, unless `seek` is set. */
  resolved: number;
  seek: number | undefined;
  paused: boolean;
  polling: boolean;
  /** What the next fetch must begin at, if the bridge takes all that comes. */
  expected: number;
}

const restMs = 100;

/** kafkajs over the fake brokers, with its habits; see the comments for those that matter. */
export class FakeSource implements Source {
  #handlers: SourceHandlers | undefined;
  readonly #resting = new Set<() => void>();
  #readers = new Map<number, Reader>();
  /** The generation that kafkajs sends with its requests. It changes before our code hears of the new assignment. */
  #generation = -1;
  #stopped = false;
  /** Per partition, the highest offset that the bridge has committed in the present assignment. */
  readonly #committedHere = new Map<number, number>();

  constructor(
    private readonly world: World,
    readonly process: SimProcess,
    readonly name: string,
  ) {}

  async start(handlers: SourceHandlers): Promise<void> {
    await this.#ask('start', () => undefined);
    this.#handlers = handlers;
    this.world.group.join(this);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#answer(() => this.world.group.leave(this));
  }

  /** The consumer ends for good: CRASH with restart false. */
  crash(): void {
    if (this.#stopped || !this.#handlers) return;
    this.#stopped = true;
    this.world.group.leave(this);
    this.#handlers.crashed(new Error('the consumer crashed'));
  }

  /** Returns of the group reach a member when they reach it; one that was put out joins again. */
  thawed(): void {
    if (!this.#stopped && this.#handlers && !this.world.group.has(this))
      this.process.after(this.world.random.whole(1, 500), () => !this.#stopped && this.world.group.join(this));
  }

  joined(generation: number, partitions: readonly number[]): void {
    const { random } = this.world;
    this.process.after(random.whole(0, 200), () => {
      if (this.#stopped || generation < this.#generation) return;
      this.#generation = generation;
      this.process.after(random.whole(0, 60), () => this.#assigned(generation, partitions));
    });
  }

  #assigned(generation: number, partitions: readonly number[]): void {
    if (this.#stopped || generation !== this.#generation) return;
    const { group, logs } = this.world;
    this.#committedHere.clear();
    this.#readers = new Map(
      partitions.map((partition) => {
        const commit = group.commits.get(partition);
        const resolved = commit && commit.offset >= 0 ? commit.offset : this.#default(partition);
        return [
          partition,
          {
            partition,
            resolved: Math.max(resolved, logs[partition]!.start),
            seek: undefined,
            paused: false,
            polling: false,
            expected: 0,
          },
        ];
      }),
    );
    this.#handlers!.assigned(partitions);
    for (const reader of this.#readers.values()) this.#poll(reader);
  }

  #default(partition: number): number {
    const log = this.world.logs[partition]!;
    return this.world.mutant.fromEnd ? log.end : log.start;
  }

  pause(partition: number): void {
    const reader = this.#readers.get(partition);
    if (reader) reader.paused = true;
  }

  resume(partition: number): void {
    const reader = this.#readers.get(partition);
    if (!reader) return;
    reader.paused = false;
    this.#poll(reader);
    this.#wake();
  }

  seek(partition: number, offset: number): void {
    const reader = this.#readers.get(partition);
    if (!reader) return;
    reader.seek = offset;
    reader.expected = offset;
    this.#poll(reader);
  }

  #poll(reader: Reader): void {
    if (reader.polling || reader.paused || this.#stopped) return;
    reader.polling = true;
    if (reader.seek !== undefined) reader.resolved = reader.seek;
    reader.seek = undefined;
    const asked = reader.resolved;
    const { scheduler, logs, random } = this.world;
    const log = logs[reader.partition]!;
    const atBroker = () => {
      if (this.world.kafkaIsDown) return scheduler.after(500, atBroker);
      if (!log.contains(asked)) return this.process.run(() => this.#outOfRange(reader));
      const read = log.read(asked);
      if (read) this.process.after(random.whole(0, 15), () => this.#polled(reader, asked, read));
      else this.#parked(reader);
    };
    scheduler.after(random.whole(1, 20), atBroker);
  }

  /** Nothing to read: the next poll comes with the next record, or when the bridge steers. */
  #parked(reader: Reader): void {
    reader.polling = false;
    this.world.logs[reader.partition]!.onAppend(() =>
      this.process.run(() => this.#readers.get(reader.partition) === reader && this.#poll(reader)),
    );
  }

  /** kafkajs commits its default, without metadata, and goes on from there. */
  #outOfRange(reader: Reader): void {
    if (this.#readers.get(reader.partition) !== reader || this.#stopped) return;
    this.world.trace.count('offset out of range');
    this.world.oracle.walkedAgain.add(reader.partition);
    try {
      this.world.group.commit(this, this.#generation, [
        { partition: reader.partition, offset: this.world.mutant.fromEnd ? -1 : -2, metadata: null },
      ]);
    } catch {
      // The next generation begins anew.
    }
    reader.resolved = this.#default(reader.partition);
    reader.polling = false;
    this.#poll(reader);
  }

  #polled(reader: Reader, asked: number, { records, firstOffset, endOffset, unreadableFrom }: LogRead): void {
    const { random, trace, logs } = this.world;
    const isCurrent = this.#readers.get(reader.partition) === reader;
    reader.polling = false;
    if (this.#stopped) return;
    // What was read before a pause, a seek or a new assignment mostly does not come through, but it can.
    const isStale = !isCurrent || reader.paused || reader.seek !== undefined;
    if (isStale && (!this.#readers.has(reader.partition) || random.chance(0.6)))
      return isCurrent ? this.#poll(reader) : undefined;
    if (isStale) trace.count('stale fetch');
    const isFiltered = records.length === 0 && unreadableFrom === undefined;
    // The mutant takes what comes for what it asked for, as a consumer does that does not look at offsets.
    const fetchedOffset = this.world.mutant.fromEnd ? reader.expected : isFiltered ? (firstOffset ?? asked) : asked;
    trace.tell(
      () => `${this.name}: fetched ${reader.partition}@${fetchedOffset}..${endOffset} (${records.length} records)`,
    );
    const taken = this.#handlers!.fetched({
      partition: reader.partition,
      fetchedOffset,
      endOffset,
      logEnd: logs[reader.partition]!.end,
      records,
      ...(unreadableFrom === undefined
        ? {}
        : { unreadable: { from: unreadableFrom, reason: 'its checksum is wrong' } }),
    });
    if (!isCurrent) return;
    if (taken) reader.expected = endOffset;
    // Behind what no reader sees kafkajs goes on by itself.
    if (taken || isFiltered) reader.resolved = endOffset;
    this.#goOn(reader);
  }

  /** As the real one: while no partition wants more, none is polled for a while. */
  #goOn(reader: Reader): void {
    if (this.#handlers!.wantsMore()) {
      this.#poll(reader);
      return this.#wake();
    }
    this.world.trace.count('rest');
    const end = () => {
      if (this.#resting.delete(end) && this.#readers.get(reader.partition) === reader) this.#poll(reader);
    };
    this.#resting.add(end);
    this.process.after(restMs, end);
  }

  #wake(): void {
    for (const end of this.#resting) end();
  }

  /** Whether the answer comes within the time that a lane waits is chance. */
  async poll(): Promise<void> {
    this.#wake();
    if (this.world.random.chance(0.5)) await this.process.clock.sleep(this.world.random.whole(1, 10));
  }

  /** Sent when kafkajs gets to it, with the generation that it then has: it can come late, it can be lost, and a part of it can be refused. */
  async commit(commits: readonly PartitionCommit[]): Promise<void> {
    const { random, trace, oracle, faults, group } = this.world;
    for (const { partition, offset, metadata } of commits) {
      // A first position may be put right once there are runs.
      if (decodeCommitMetadata(metadata)?.first === true) continue;
      oracle.commitsOf(this.name, partition, this.#committedHere.get(partition), offset);
      this.#committedHere.set(partition, offset);
    }
    const isLate = random.chance(faults.lateCommit);
    return this.process.during('a commit had not come to the group', async (at) => {
      if (isLate) await this.process.clock.sleep(random.whole(100, 4_000));
      return this.#ask('commit', () => {
        if (isLate) trace.count('late commit');
        if (commits.length > 1) trace.count('commit of several partitions');
        const taken = commits.filter(() => !random.chance(faults.commitRefused));
        group.commit(this, this.#generation, taken);
        at('the group had a commit, and its answer was not back');
        if (taken.length === commits.length) return;
        trace.count(taken.length === 0 ? 'commit refused' : 'commit refused in part');
        throw new Error('a partition was refused');
      });
    });
  }

  /** As one request: all of it comes to the group, or nothing. */
  commitAll(commits: readonly PartitionCommit[]): Promise<void> {
    return this.process.during('the first commit had not come to the group', () =>
      this.#ask('commit', () => this.world.group.commit(this, this.#generation, commits)),
    );
  }

  committed(): Promise<Map<number, Commit>> {
    return this.#ask('committed', () => this.world.group.committed());
  }

  bounds(): Promise<Map<number, { start: number; end: number }>> {
    return this.#ask(
      'bounds',
      () => new Map(this.world.logs.map(({ start, shownEnd }, partition) => [partition, { start, end: shownEnd }])),
    );
  }

  offsetAt(partition: number, timeMs: number): Promise<number> {
    return this.#ask('offsetAt', () => {
      const log = this.world.logs[partition]!;
      const found = log.entries.findIndex(
        (entry, offset) => offset >= log.start && entry.kind === 'record' && entry.record.timestampMs >= timeMs,
      );
      return found < 0 ? log.end : found;
    });
  }

  firstRecord(partition: number, offset: number): Promise<{ offset: number } | { noneBelow: number }> {
    return this.#ask('firstRecord', () => {
      const { entries, start, shownEnd } = this.world.logs[partition]!;
      for (let at = Math.max(offset, start); at < shownEnd; at++)
        if (entries[at]?.kind === 'record') return { offset: at };
      return { noneBelow: shownEnd };
    });
  }

  timeAt(): Promise<undefined> {
    return this.#ask('timeAt', () => undefined);
  }

  #ask<T>(what: string, act: () => T): Promise<T> {
    return this.#answer(() => {
      const { random, trace, faults, kafkaIsDown } = this.world;
      if (kafkaIsDown || random.chance(faults.kafkaFails)) {
        trace.count('kafka refuses');
        throw new Error(`no broker answers (${what})`);
      }
      return act();
    });
  }

  #answer<T>(act: () => T): Promise<T> {
    const { scheduler, random } = this.world;
    return new Promise((resolve, reject) => {
      scheduler.after(random.whole(1, 20), () => {
        if (this.process.isDead) return;
        try {
          const answer = act();
          this.process.after(random.whole(0, 20), () => resolve(answer));
        } catch (error) {
          this.process.after(random.whole(0, 20), () => reject(error as Error));
        }
      });
    });
  }
}
