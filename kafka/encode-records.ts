import type { Message } from 'kafkajs';
import type { RecordHeader } from '../contracts/record-headers.ts';
import { murmur2 } from './murmur2.ts';

/** A message whose time is when it is sent. */
export interface KeyedMessage {
  key?: Uint8Array | string | null;
  value: Uint8Array | string | null;
  /** One that the topic has. Absent = its key decides. */
  partition?: number;
  /** A list keeps its order, repeated names and headers without a value. */
  headers?: Message['headers'] | readonly RecordHeader[];
}

/** Some messages of a list, from one index to another. */
export interface EncodedRange {
  records: EncodedRecords;
  from: number;
  to: number;
  /** What Kafka stores of them, at most. */
  bytes: number;
}

/** Lengths, time, place and attributes of a record at the most. */
export const recordOverheadBytes = 12;
/** The length of a text or of bytes, as Kafka writes it. */
const lengthBytesMax = 5;
const bytesAtFirst = 256;
/** A buffer that is used less is copied into one of its size, because it stays until the messages are sent. */
const usedShareMin = 0.75;

/** Messages as Kafka stores them: key, value and headers of each. What depends on its place in a request is not there yet. */
export class EncodedRecords {
  /** Where each message begins in `bytes`, and where the last one ends. */
  readonly starts: number[] = [0];
  /** Modulo the number of partitions it is the partition. Not negative; -1 for a message without a key, which goes to all in turn. */
  readonly keyHashes: number[] = [];
  #bytes = Buffer.allocUnsafe(bytesAtFirst);
  #at = 0;

  /** Each message is taken when the one before it is encoded, so that none needs to live longer than that. Throws a TypeError on one without a value. */
  constructor(messages: Iterable<KeyedMessage>) {
    for (const message of messages) {
      this.#message(message);
      this.starts.push(this.#at);
    }
    if (this.#at < this.#bytes.length * usedShareMin) this.#bytes = Buffer.from(this.#bytes.subarray(0, this.#at));
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  bytesOf(index: number): number {
    return this.starts[index + 1]! - this.starts[index]!;
  }

  /** Cuts the messages, in order, into ranges of at most `bytesMax` as Kafka stores them. A message larger than that is a range of its own. */
  cut(bytesMax: number): EncodedRange[] {
    const ranges: EncodedRange[] = [];
    let range: EncodedRange | undefined;
    for (let index = 0; index < this.keyHashes.length; index++) {
      const bytes = this.bytesOf(index) + recordOverheadBytes;
      if (!range || range.bytes + bytes > bytesMax)
        ranges.push((range = { records: this, from: index, to: index, bytes: 0 }));
      range.to = index + 1;
      range.bytes += bytes;
    }
    return ranges;
  }

  /** One range of these messages. */
  range(from: number, to: number): EncodedRange {
    return {
      records: this,
      from,
      to,
      bytes: this.starts[to]! - this.starts[from]! + (to - from) * recordOverheadBytes,
    };
  }

  #message({ key, value, headers, partition }: KeyedMessage): void {
    const keyBytes = this.#item(key);
    this.keyHashes.push(
      partition ?? (keyBytes < 0 ? -1 : murmur2(this.#bytes, this.#at - keyBytes, this.#at) & 0x7fffffff),
    );
    if (value === undefined) throw new TypeError('a message without a value');
    this.#item(value);
    if (isList(headers)) this.#headerList(headers);
    else this.#headers(headers ?? {});
  }

  #headerList(headers: readonly RecordHeader[]): void {
    this.#makeRoom(lengthBytesMax);
    this.#at = writeVarInt(this.#bytes, this.#at, headers.length);
    for (const [name, value] of headers) {
      this.#item(name);
      this.#item(value);
    }
  }

  #headers(headers: NonNullable<Message['headers']>): void {
    let count = 0;
    for (const name in headers) {
      const values = headers[name];
      count += Array.isArray(values) ? values.length : 1;
    }
    this.#makeRoom(lengthBytesMax);
    this.#at = writeVarInt(this.#bytes, this.#at, count);
    for (const name in headers) {
      const values = headers[name];
      if (Array.isArray(values)) for (const value of values) this.#header(name, value);
      else this.#header(name, values);
    }
  }

  #header(name: string, value: string | Buffer | undefined): void {
    this.#item(name);
    this.#item(value);
  }

  /** Writes the length and the bytes of a text, or of bytes. Returns how many there were; -1 for none, which is another thing than an empty text. */
  #item(item: string | Uint8Array | null | undefined): number {
    const bytes = item === null || item === undefined ? -1 : Buffer.byteLength(item);
    this.#makeRoom(lengthBytesMax + Math.max(0, bytes));
    this.#at = writeVarInt(this.#bytes, this.#at, bytes);
    if (typeof item === 'string') this.#bytes.write(item, this.#at);
    else if (item) this.#bytes.set(item, this.#at);
    this.#at += Math.max(0, bytes);
    return bytes;
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

function isList(headers: KeyedMessage['headers']): headers is readonly RecordHeader[] {
  return Array.isArray(headers);
}

/** How long `writeVarInt` makes a number that is not negative. */
export function varIntBytes(value: number): number {
  return value < 0x40 ? 1 : value < 0x2000 ? 2 : value < 0x100000 ? 3 : value < 0x8000000 ? 4 : 5;
}

/** Zigzag, seven bits a byte; for -1 and what lies between 0 and 2^30. Returns where it ends. */
export function writeVarInt(into: Buffer, at: number, value: number): number {
  let rest = value === -1 ? 1 : value * 2;
  let next = at;
  for (; rest >= 0x80; rest >>>= 7) into[next++] = (rest & 0x7f) | 0x80;
  into[next++] = rest;
  return next;
}
