import { crc32 } from 'node:zlib';
import { codecMask, entryBytes, firstOffsetOf, formatOf, logAppendTimeFlag, prefixBytes } from './batch-header.ts';
import { inflate, type InflateBudget } from './compression.ts';
import { FetchedRecord, type BatchContext } from './record-batches.ts';
import { UnreadableError } from './unreadable-error.ts';

/**
 * Messages as Kafka stored them before version 0.11 (formats 0 and 1), which old topics still hold. Compressed ones lie together inside of one
 * that stands for them.
 */

const noTimestamp = '-1';
const codecNone = 0;

interface Message {
  offset: number;
  format: number;
  codec: number;
  timestamp: string;
  timeIsBrokers: boolean;
  key: Buffer | null;
  value: Buffer | null;
}

/**
 * Adds a message, or those inside of it, to `into`. Throws an UnreadableError when it cannot be read.
 *
 * @param entry all of it
 */
export async function decodeMessage(entry: Buffer, budget: InflateBudget, into: FetchedRecord[]): Promise<void> {
  const outer = readMessage(entry);
  if (outer.codec === codecNone) return void into.push(recordOf(outer));
  const inside = await inflate(outer.codec, outer.value ?? Buffer.alloc(0), budget);
  const inner: Message[] = [];
  for (let at = 0; at < inside.length; ) {
    if (at + prefixBytes > inside.length) throw new UnreadableError('messages that end too early');
    const end = at + Math.max(prefixBytes, entryBytes(inside, at));
    inner.push(readMessage(inside.subarray(at, end)));
    at = end;
  }
  if (inner.length === 0) throw new UnreadableError('a message that holds no messages');
  // In format 1 they are counted from zero, and the outer one has the offset of the last.
  const shift = outer.format === 1 ? outer.offset - inner.at(-1)!.offset : 0;
  const time = outer.timeIsBrokers ? { timestamp: outer.timestamp, timeIsBrokers: true } : {};
  let before = -1;
  for (const message of inner) {
    const offset = message.offset + shift;
    if (offset <= before || offset > outer.offset)
      throw new UnreadableError(
        `a message at offset ${offset}, which is not between the one before it and the last of those that it lies with, ${outer.offset}`,
      );
    into.push(recordOf({ ...message, ...time, offset }));
    before = offset;
  }
}

function recordOf({ offset, timestamp, timeIsBrokers, key, value }: Message): FetchedRecord {
  const context: BatchContext = { producerId: '-1', inTransaction: false, timeIsBrokers };
  return new FetchedRecord(String(offset), timestamp, key, value, undefined, context, false);
}

function readMessage(entry: Buffer): Message {
  try {
    if (crc32(entry.subarray(16)) !== entry.readUInt32BE(prefixBytes))
      throw new UnreadableError('a message whose checksum differs: it was changed on a disk or on its way');
    const format = formatOf(entry, 0);
    const attributes = entry.readInt8(17);
    const cursor = { at: format === 0 ? 18 : 26 };
    return {
      offset: firstOffsetOf(entry),
      format,
      codec: attributes & codecMask,
      timestamp: format === 0 ? noTimestamp : String(entry.readBigInt64BE(18)),
      timeIsBrokers: format === 1 && (attributes & logAppendTimeFlag) !== 0,
      key: readItem(entry, cursor),
      value: readItem(entry, cursor),
    };
  } catch (error) {
    throw error instanceof RangeError ? new UnreadableError('a message that ends too early', { cause: error }) : error;
  }
}

function readItem(bytes: Buffer, cursor: { at: number }): Buffer | null {
  const length = bytes.readInt32BE(cursor.at);
  cursor.at += 4;
  if (length === -1) return null;
  if (length < 0 || cursor.at + length > bytes.length)
    throw new UnreadableError(`a key or value that says it has ${length} bytes`);
  cursor.at += length;
  return bytes.subarray(cursor.at - length, cursor.at);
}
