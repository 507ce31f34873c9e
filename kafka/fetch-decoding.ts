import { filterAbortedTransactions } from './aborted-transactions.ts';
import { entryBytes, entryBytesMin, firstOffsetOf, formatOf } from './batch-header.ts';
import { InflateBudget } from './compression.ts';
import { kafkajsModule } from './kafkajs-internals.ts';
import { decodeMessage } from './old-messages.ts';
import { decodeBatch, type FetchedRecord } from './record-batches.ts';
import { UnreadableError } from './unreadable-error.ts';

/**
 * What a broker sends for a fetch. In kafkajs one record batch that cannot be decoded ends the consumer, with all of its partitions; the next
 * consumer meets it again. Here such a batch is the last thing that its partition gives, as an `Unreadable` in the place of a record, and the
 * other partitions go on.
 */

/** What stands behind the last record that could be read. No other message comes after it. */
export class Unreadable {
  /** Beyond all others, so that kafkajs never takes it for a repeat of what was read before. */
  readonly offset = '9223372036854775807';
  readonly key = null;
  readonly value = null;
  readonly isControlRecord = false;

  constructor(
    /** Where the unreadable begins. */
    readonly from: number,
    readonly reason: string,
  ) {}
}

type FetchedMessage = FetchedRecord | Unreadable;

/** kafkajs's reader of requests and answers. */
interface Decoder {
  offset: number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: Decoder) => T): T[];
  readArrayAsync<T>(read: (decoder: Decoder) => Promise<T>): Promise<T[]>;
}

interface ResponseModule {
  decode: ((raw: Buffer) => Promise<unknown>) & { isOurs?: true };
}

/** Those with record batches, as far as kafkajs knows them. Brokers that only have older ones are older than Kafka 0.11. */
const fetchVersions = [4, 5, 6, 7, 8, 9, 10, 11];
const firstOf = { logStart: 5, session: 7, clientThrottle: 8, preferredReplica: 11 } as const;

/** Makes all consumers of this process read records so. May be called again. */
export function installFetchDecoding(): void {
  const KafkaDecoder = kafkajsModule<new (raw: Buffer) => Decoder>('protocol/decoder');
  for (const apiVersion of fetchVersions) {
    const response = kafkajsModule<ResponseModule>(`protocol/requests/fetch/v${apiVersion}/response`);
    if (response.decode.isOurs) continue;
    response.decode = Object.assign((raw: Buffer) => decodeResponse(new KafkaDecoder(raw), apiVersion), {
      isOurs: true as const,
    });
  }
}

async function decodeResponse(decoder: Decoder, apiVersion: number): Promise<object> {
  const budget = new InflateBudget();
  const throttleTime = decoder.readInt32();
  const session =
    apiVersion >= firstOf.session ? { errorCode: decoder.readInt16(), sessionId: decoder.readInt32() } : {};
  const responses = await decoder.readArrayAsync(async () => ({
    topicName: decoder.readString(),
    partitions: await decoder.readArrayAsync(() => decodePartition(decoder, apiVersion, budget)),
  }));
  // From this version on it is the client that has to wait, and not the broker that has waited.
  const throttle =
    apiVersion >= firstOf.clientThrottle ? { throttleTime: 0, clientSideThrottleTime: throttleTime } : { throttleTime };
  return { ...throttle, ...session, responses };
}

async function decodePartition(decoder: Decoder, apiVersion: number, budget: InflateBudget): Promise<object> {
  const partition = {
    partition: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    highWatermark: String(decoder.readInt64()),
    lastStableOffset: String(decoder.readInt64()),
    ...(apiVersion >= firstOf.logStart ? { lastStartOffset: String(decoder.readInt64()) } : {}),
    abortedTransactions: decoder.readArray(() => ({
      producerId: String(decoder.readInt64()),
      firstOffset: String(decoder.readInt64()),
    })),
    ...(apiVersion >= firstOf.preferredReplica ? { preferredReadReplica: decoder.readInt32() } : {}),
    messages: [] as FetchedMessage[],
  };
  partition.messages = await decodeEntries(decoder.readBytes() ?? Buffer.alloc(0), budget);
  filterAbortedTransactions(partition);
  return partition;
}

/** Record batches and old messages, one behind the other. The last one is cut where the answer was full. */
export async function decodeEntries(entries: Buffer, budget: InflateBudget): Promise<FetchedMessage[]> {
  const records: FetchedRecord[] = [];
  for (let at = 0; at + entryBytesMin <= entries.length; ) {
    // What is left over for lack of memory comes again with the next fetch.
    if (budget.isUsedUp) return records;
    const firstOffset = firstOffsetOf(entries.subarray(at));
    const bytes = entryBytes(entries, at);
    if (at + bytes > entries.length && records.length > 0) return records;
    try {
      if (bytes < entryBytesMin || at + bytes > entries.length)
        throw new UnreadableError(
          `a record batch that says it has ${bytes} bytes, of which the broker sent ${entries.length - at}`,
        );
      await decodeEntry(entries.subarray(at, at + bytes), formatOf(entries, at), budget, records);
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      const last = records.at(-1);
      return [...records, new Unreadable(Math.max(firstOffset, last ? Number(last.offset) + 1 : 0), error.message)];
    }
    at += bytes;
  }
  return records;
}

function decodeEntry(entry: Buffer, format: number, budget: InflateBudget, into: FetchedRecord[]): Promise<void> {
  if (format === 2) return decodeBatch(entry, budget, into);
  if (format === 0 || format === 1) return decodeMessage(entry, budget, into);
  throw new UnreadableError(`records of format ${format}, which is newer than this version of Headrace`);
}
