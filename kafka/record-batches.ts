import { crc32c } from '@node-rs/crc32';
import type { IHeaders } from 'kafkajs';
import { headersIn, skipHeaders } from '../contracts/record-headers.ts';
import { batchBytesMin, checkedOf, headerOf, recordsOf } from './batch-header.ts';
import { inflate, type InflateBudget } from './compression.ts';
import { UnreadableError } from './unreadable-error.ts';

/**
 * Record batches as Kafka stores them (format 2). kafkajs decodes them too, but makes an object of a record's headers, and copies it for each
 * further one: 12,000 headers block the event loop for a minute, and their order is lost. It also takes any length for true, and does not look at
 * checksums. Here headers stay the bytes that they are, and what is not as it must be is told.
 */

/** What a record's batch says of it. kafkajs reads the first two. */
export interface BatchContext {
  producerId: string;
  inTransaction: boolean;
  /** The time is that of the broker. */
  timeIsBrokers: boolean;
}

/** A record in the form of kafkajs's. */
export class FetchedRecord {
  readonly attributes = 0;
  /** kafkajs shows those to nobody. */
  isControlRecord: boolean;

  constructor(
    readonly offset: string,
    readonly timestamp: string,
    readonly key: Buffer | null,
    readonly value: Buffer | null,
    /** As they are stored. Undefined = none. */
    readonly storedHeaders: Buffer | undefined,
    readonly batchContext: BatchContext,
    isControlRecord: boolean,
  ) {
    this.isControlRecord = isControlRecord;
  }

  /** As kafkajs has them, which cannot say in which order they were. */
  get headers(): IHeaders {
    const lists = new Map<string, (Buffer | null)[]>();
    for (const [name, value] of headersIn(this.storedHeaders)) {
      const text = Buffer.from(name).toString();
      const values = lists.get(text) ?? [];
      lists.set(text, values);
      values.push(value as Buffer | null);
    }
    return Object.fromEntries(
      [...lists].map(([name, values]) => [name, values.length === 1 ? values[0] : values]),
    ) as IHeaders;
  }
}

/** A record has a length, attributes, and six more numbers. */
const recordBytesMin = 7;

/**
 * Adds the records of a batch to `into`. Throws an UnreadableError at the first that cannot be read; the ones before it are there then.
 *
 * @param batch all of it
 */
export async function decodeBatch(batch: Buffer, budget: InflateBudget, into: FetchedRecord[]): Promise<void> {
  if (batch.length < batchBytesMin)
    throw new UnreadableError(`a record batch of ${batch.length} bytes, fewer than its header has`);
  const checked = checkedOf(batch);
  if (crc32c(checked.bytes) !== checked.crc)
    throw new UnreadableError('a record batch whose checksum differs: it was changed on a disk or on its way');
  const {
    firstOffset,
    lastOffset,
    count,
    codec,
    timeIsBrokers,
    inTransaction,
    isControl,
    firstTimestamp,
    maxTimestamp,
    producerId,
  } = headerOf(batch);
  const context: BatchContext = { producerId, inTransaction, timeIsBrokers };
  const records = new RecordReader(await inflate(codec, recordsOf(batch), budget));
  if (count < 0 || count * recordBytesMin > records.bytesLeft)
    throw new UnreadableError(`a record batch of ${records.bytesLeft} bytes that says it has ${count} records`);
  const times = new BatchTimes(firstTimestamp, timeIsBrokers ? maxTimestamp : undefined);
  if (lastOffset < firstOffset) throw new UnreadableError('a record batch that ends before it begins');
  let offset = firstOffset - 1;
  for (let i = 0; i < count; i++) {
    const record = records.next(firstOffset, times, context, isControl);
    // Brokers take them from producers as they come, where they are not compressed. One of two at the same place would be taken for a repeat of the other.
    if (Number(record.offset) <= offset || Number(record.offset) > lastOffset)
      throw new UnreadableError(
        `a record at offset ${record.offset}, which is not between the one before it and the end of its batch, ${lastOffset}`,
      );
    offset = Number(record.offset);
    into.push(record);
  }
  if (records.bytesLeft > 0)
    throw new UnreadableError(
      `a record batch with ${records.bytesLeft} bytes behind the ${count} records that it says it has`,
    );
  // Compaction removes records and leaves their batch, down to an empty one. kafkajs asks again for what lies behind the last record that it was given.
  if (offset < lastOffset) into.push(new FetchedRecord(String(lastOffset), '-1', null, null, undefined, context, true));
}

/** The times of a batch's records, with all digits that 64 bits can have. */
class BatchTimes {
  readonly #first: bigint;
  readonly #firstNumber: number;
  readonly #ofBroker: string | undefined;

  constructor(first: bigint, ofBroker: bigint | undefined) {
    this.#first = first;
    this.#firstNumber = Number(first);
    this.#ofBroker = ofBroker?.toString();
  }

  at(delta: number | bigint): string {
    if (this.#ofBroker !== undefined) return this.#ofBroker;
    const time = this.#firstNumber + Number(delta);
    if (Number.isSafeInteger(this.#firstNumber) && Number.isSafeInteger(delta) && Number.isSafeInteger(time))
      return String(time);
    return BigInt.asIntN(64, this.#first + BigInt(delta)).toString();
  }
}

/** Reads records from their bytes, in turn. */
class RecordReader {
  readonly #cursor = { at: 0 };
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get bytesLeft(): number {
    return this.#bytes.length - this.#cursor.at;
  }

  next(firstOffset: number, times: BatchTimes, context: BatchContext, isControl: boolean): FetchedRecord {
    const length = this.#varInt();
    const end = this.#cursor.at + length;
    if (length < recordBytesMin - 1 || end > this.#bytes.length)
      throw new UnreadableError(`a record that says it has ${length} bytes`);
    // Attributes: none are in use.
    this.#cursor.at++;
    const timestamp = times.at(this.#varLong());
    const offset = String(firstOffset + this.#varInt());
    const key = this.#item(end);
    const value = this.#item(end);
    const headers = this.#headers(end);
    if (this.#cursor.at !== end) throw new UnreadableError('a record whose length is not that of its parts');
    return new FetchedRecord(offset, timestamp, key, value, headers, context, isControl);
  }

  /** Key or value. */
  #item(end: number): Buffer | null {
    const length = this.#varInt();
    if (length === -1) return null;
    const from = this.#cursor.at;
    if (length < 0 || from + length > end) throw new UnreadableError(`a key or value that says it has ${length} bytes`);
    this.#cursor.at = from + length;
    return this.#bytes.subarray(from, from + length);
  }

  #headers(end: number): Buffer | undefined {
    const count = this.#varInt();
    const from = this.#cursor.at;
    if (count === 0) return undefined;
    if (count < 0) throw new UnreadableError(`a record that says it has ${count} headers`);
    try {
      this.#cursor.at = skipHeaders(this.#bytes, from, end, count);
    } catch (error) {
      throw new UnreadableError('a record with headers that cannot be read', { cause: error });
    }
    return this.#bytes.subarray(from, this.#cursor.at);
  }

  #varInt(): number {
    const value = this.#varLong();
    if (typeof value !== 'number' || value > 0x7fffffff || value < -0x80000000)
      throw new UnreadableError('a number that is too large');
    return value;
  }

  /** A zigzag varint of at most 64 bits; a bigint where a number may not be exact. */
  #varLong(): number | bigint {
    let value = 0;
    for (let factor = 1; factor < 2 ** 49; factor *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    let large = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      large |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const unsigned = BigInt.asUintN(64, large);
      return BigInt.asIntN(64, (unsigned >> 1n) ^ -(unsigned & 1n));
    }
    throw new UnreadableError('a number that does not end');
  }

  #byte(): number {
    const byte = this.#bytes[this.#cursor.at++];
    if (byte === undefined) throw new UnreadableError('a record batch that ends too early');
    return byte;
  }
}
