import type { KafkaRecord } from '../contracts/records-frame.ts';
import { contentBytes } from '../kafka/record.ts';
import type { Fetch } from '../kafka/source.ts';

/** Caps of one batch. */
export interface BatchCaps {
  recordsMax: number;
  /** Of keys, values and headers. A larger record travels alone. */
  bytesMax: number;
  /** Told how long a batch took to be scored, where the caps follow that. */
  scored?(records: number, ms: number): void;
}

/** What a lane offers as its next batch. */
export interface Cut {
  position: number;
  end: number;
  records: KafkaRecord[];
  /** The record is too large even alone: only its stub can travel. */
  asStub?: true;
}

/** What to try when a cut was refused for its size: half of it, then a stub of its only record. Undefined when that was refused too. */
export function smallerCut(lane: Lane, cut: Cut): Cut | undefined {
  if (cut.records.length > 1) return lane.cut({ recordsMax: Math.floor(cut.records.length / 2), bytesMax: Infinity });
  return cut.asStub || cut.records[0]!.stub ? undefined : { ...cut, asStub: true };
}

/** What became of a fetch. */
export type Acceptance =
  /** It continues the lane. */
  | 'appended'
  /** It begins below the tail: a repeat, or the log was cut. Nothing was taken. */
  | 'below'
  /** It begins above the tail: something lies between that was not seen. Nothing was taken. */
  | 'above';

/** Offset, times, lengths and sizes of a record in the frame: what each record has, and what only some have. */
const fixedBytes = 48;

/** A record's share of a batch's cap. */
export function recordBytes(record: KafkaRecord): number {
  return contentBytes(record) + fixedBytes;
}

/**
 * The queue of one assigned partition: records that were fetched and are not part of a scored batch. Pure: no timers, no I/O.
 *
 *     position ............ tail
 *     |  records, with gaps  |  <- the next fetch must begin here
 *
 * `position` only moves to where a scored batch ended; `tail` only to where a fetch ended.
 */
export class Lane {
  #records: KafkaRecord[] = [];
  /** `recordBytes` of each record; measured once, because headers have to be encoded for it. */
  #sizes: number[] = [];
  #bytes = 0;
  #position: number;
  #tail: number;

  constructor(position: number) {
    this.#position = position;
    this.#tail = position;
  }

  /** The next offset that no batch has claimed. */
  get position(): number {
    return this.#position;
  }

  /** The offset that the next fetch must begin at. */
  get tail(): number {
    return this.#tail;
  }

  /** No record below this offset waits for a batch: behind the position, there may be offsets that hold none. */
  get doneBelow(): number {
    return this.isEmpty ? this.#tail : this.#position;
  }

  /** The record that waits for the longest. */
  get first(): KafkaRecord | undefined {
    return this.#records[0];
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /** True when the next batch would be no larger if it waited. */
  isFull({ recordsMax, bytesMax }: BatchCaps): boolean {
    return this.#records.length >= recordsMax || this.#bytes >= bytesMax;
  }

  /** Takes a fetch that begins at the tail; any other is left alone. */
  accept(fetch: Fetch): Acceptance {
    if (fetch.fetchedOffset !== this.#tail) return fetch.fetchedOffset < this.#tail ? 'below' : 'above';
    for (const record of fetch.records) {
      const bytes = recordBytes(record);
      this.#records.push(record);
      this.#sizes.push(bytes);
      this.#bytes += bytes;
    }
    this.#tail = Math.max(this.#tail, fetch.endOffset);
    return 'appended';
  }

  /** Moves the tail over offsets that hold no record: the log has a legal gap there, or lost them to retention. */
  skipTo(offset: number): void {
    if (offset < this.#tail) throw new RangeError(`cannot skip back from ${this.#tail} to ${offset}`);
    this.#tail = offset;
  }

  /** The next batch: as many records as the caps allow, at least one. Undefined when there is none. Takes nothing away. */
  cut({ recordsMax, bytesMax }: BatchCaps): Cut | undefined {
    if (this.#records.length === 0) return undefined;
    let count = 0;
    let bytes = 0;
    while (count < this.#records.length && count < recordsMax) {
      bytes += this.#sizes[count]!;
      if (count > 0 && bytes > bytesMax) break;
      count++;
    }
    const records = this.#records.slice(0, count);
    // With all records taken, the batch also claims what lies between the last one and the tail (control records, gaps).
    const end = count === this.#records.length ? this.#tail : records.at(-1)!.offset + 1;
    return { position: this.#position, end, records };
  }

  /**
   * Goes on from where the scored batch ended, which may be before or behind what this lane had cut. Returns true when the end
   * lies behind the tail, so that the next fetch must begin there.
   */
  advance(end: number): boolean {
    if (end <= this.#position) throw new RangeError(`a batch at ${this.#position} cannot end at ${end}`);
    let scored = 0;
    while (scored < this.#records.length && this.#records[scored]!.offset < end) this.#bytes -= this.#sizes[scored++]!;
    this.#records.splice(0, scored);
    this.#sizes.splice(0, scored);
    this.#position = end;
    if (end <= this.#tail) return false;
    this.#tail = end;
    return true;
  }
}
