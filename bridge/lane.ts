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

/** What a lane offers for the next batch. */
export interface Cut {
  position: number;
  end: number;
  records: KafkaRecord[];
  /** Of the records, as the caps count them. */
  bytes: number;
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

  /** How many records it holds. */
  get length(): number {
    return this.#records.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
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

  /** A range for the next batch: as many records as the caps allow, at least one. Undefined when there is none. Takes nothing away. */
  cut({ recordsMax, bytesMax }: Pick<BatchCaps, 'recordsMax' | 'bytesMax'>): Cut | undefined {
    if (this.#records.length === 0) return undefined;
    let count = 0;
    let bytes = 0;
    while (count < this.#records.length && count < recordsMax) {
      const size = this.#sizes[count]!;
      if (count > 0 && bytes + size > bytesMax) break;
      bytes += size;
      count++;
    }
    const records = this.#records.slice(0, count);
    // With all records taken, the batch also claims what lies between the last one and the tail (control records, gaps).
    const end = count === this.#records.length ? this.#tail : records.at(-1)!.offset + 1;
    return { position: this.#position, end, records, bytes };
  }

  /**
   * Goes on from where a scored batch ended, which may be before or behind what this lane had cut. Returns true when the end
   * lies behind the tail, so that the next fetch must begin there.
   */
  advance(end: number): boolean {
    if (end <= this.#position) throw new RangeError(`a lane at ${this.#position} cannot go on at ${end}`);
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
