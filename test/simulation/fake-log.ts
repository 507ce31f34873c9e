import type { KafkaRecord } from '../../contracts/records-frame.ts';

/** What an offset of the log holds: a record, or something that no reader sees. */
export type LogEntry =
  | { kind: 'record'; record: KafkaRecord; isPoison: boolean }
  | { kind: 'control' }
  | { kind: 'aborted' }
  | { kind: 'compacted' };

/** What a broker answers to a poll. */
export interface LogRead {
  records: KafkaRecord[];
  /** The first offset that came, visible or not; null when all that came lies below the offset that was asked for. */
  firstOffset: number | null;
  endOffset: number;
  /** Nothing can be read from here on. */
  unreadableFrom?: number;
}

const readMax = 6;

/** The log of one partition. Offsets without a record are legal: control records, aborted transactions, compaction. */
export class FakeLog {
  /** Below it, retention has deleted everything. */
  start = 0;
  readonly entries: LogEntry[] = [];
  #waiting: (() => void)[] = [];
  /** Until a new leader has caught up, brokers name an end that is too low. */
  namedEnd: number | undefined;
  /** From here on nothing can be read. */
  unreadableFrom: number | undefined;

  get end(): number {
    return this.entries.length;
  }

  append(entry: LogEntry): void {
    this.entries.push(entry);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Calls back once when something was appended. */
  onAppend(wake: () => void): void {
    this.#waiting.push(wake);
  }

  contains(offset: number): boolean {
    return offset >= this.start && offset <= this.end;
  }

  /** Undefined when nothing lies at the offset or behind it. */
  read(offset: number): LogRead | undefined {
    if (offset >= this.end) return undefined;
    const read: LogRead = { records: [], firstOffset: null, endOffset: offset };
    let at = offset;
    for (; at < this.end && at - offset < readMax; at++) {
      if (this.unreadableFrom !== undefined && at >= this.unreadableFrom) {
        read.unreadableFrom = at;
        // As the real source has it: only what was read moves the lane on.
        read.endOffset = (read.records.at(-1)?.offset ?? offset - 1) + 1;
        return read;
      }
      const entry = this.entries[at]!;
      if (entry.kind === 'compacted') continue;
      read.firstOffset ??= at;
      read.endOffset = at + 1;
      if (entry.kind === 'record') read.records.push(entry.record);
    }
    // Only what compaction left of a batch whose end it took: kafkajs goes on by one offset.
    if (read.firstOffset === null) read.endOffset = offset + 1;
    return read;
  }

  /** Retention deletes what lies below an offset. */
  deleteBelow(offset: number): void {
    this.start = Math.min(this.end, Math.max(this.start, offset));
  }

  compact(offset: number): void {
    if (offset >= this.start && this.entries[offset]?.kind === 'record') this.entries[offset] = { kind: 'compacted' };
  }

  /** The log's end as a broker names it. */
  get shownEnd(): number {
    return Math.max(this.start, Math.min(this.end, this.namedEnd ?? Infinity));
  }
}
