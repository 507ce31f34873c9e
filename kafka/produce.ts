import { Partitioners, type ICustomPartitioner, type Message } from 'kafkajs';
import { recordOverheadBytes, varIntBytes, writeVarInt, type EncodedRange } from './encode-records.ts';

/**
 * kafkajs copies each message into several objects and buffers of its own on the way, and groups messages by copying each partition's list
 * once per message: at 2,048 messages a request that is more work, and far more garbage, than all else that a decision costs on its way to
 * Kafka. Here are lists that are empty to whoever looks inside, and answer the three questions that kafkajs asks of messages (which belong to
 * which partition, when were they made, and how is each encoded) for records that are encoded already.
 */

/** Asks kafkajs's partitioner for one message, from an empty object; it answers the partition as the only key. */
type Step = (result: object, message: Message) => Record<string, unknown>;

/** No message, but a question to `keyPartitioner`: how many partitions has the topic? */
class PartitionsAsked {
  readonly key = null;
  readonly value = null;
  partitions = 0;
}

/** The partitioner of the Java client, as kafkajs has it: by the murmur2 hash of the key, else in turn. It also answers `PartitionsAsked`. */
export const keyPartitioner: ICustomPartitioner = () => {
  const choose = Partitioners.DefaultPartitioner();
  return (input) => {
    const { message, partitionMetadata } = input;
    if (!(message instanceof PartitionsAsked)) return choose(input);
    message.partitions = partitionMetadata.length;
    return 0;
  };
};

/** What `producer.send` takes as `messages`, for one try. Needs a producer with `keyPartitioner`. */
export class EncodedMessages extends Array<Message> {
  readonly #ranges: readonly EncodedRange[];
  #partitions: readonly number[] = [];

  constructor(ranges: readonly EncodedRange[]) {
    super();
    this.#ranges = ranges;
  }

  /** Whoever looks inside would find nothing, and send nothing. */
  override [Symbol.iterator](): never {
    throw otherWay();
  }

  /** Throws unless each partition that has some of the messages was answered for. */
  assertAnswered(answers: readonly { partition: number }[]): void {
    const answered = new Set(answers.map(({ partition }) => partition));
    const missing = this.#partitions.filter((partition) => !answered.has(partition));
    if (this.#partitions.length === 0 || missing.length > 0)
      throw new Error(
        `the brokers have not answered for ${missing.length === 0 ? 'the messages' : `partitions ${missing.join(', ')}`}`,
      );
  }

  /** kafkajs groups messages by partition with it, each time that it tries to send them. */
  override reduce(step: any): any {
    const asked = new PartitionsAsked();
    (step as Step)({}, asked);
    if (asked.partitions === 0) throw otherWay();
    const partitions: Record<string, PartitionRecords> = {};
    for (const range of this.#ranges) {
      const { keyHashes } = range.records;
      for (let index = range.from; index < range.to; index++) {
        const hash = keyHashes[index]!;
        const partition =
          hash < 0 ? Object.keys((step as Step)({}, { key: null, value: null }))[0]! : hash % asked.partitions;
        (partitions[partition] ??= new PartitionRecords()).add(range, index);
      }
    }
    this.#partitions = Object.keys(partitions).map(Number);
    return partitions;
  }
}

function otherWay(): Error {
  return new Error('kafkajs treats messages in another way than the one that kafka/produce.ts knows');
}

/** The records of one partition in a request. */
class PartitionRecords extends Array<Message> {
  readonly #ranges: EncodedRange[] = [];
  readonly #indices: number[] = [];
  #bytes = 0;

  add(range: EncodedRange, index: number): void {
    this.#ranges.push(range);
    this.#indices.push(index);
    this.#bytes += range.records.bytesOf(index) + recordOverheadBytes;
  }

  /** kafkajs asks for the time of each message, and then for each message as a record. */
  override map(call: any): any[] {
    const answer = (call as (message: object, index: number) => unknown)({}, 0);
    if (answer === undefined) return [];
    if (!Buffer.isBuffer((answer as { buf?: unknown } | null)?.buf)) throw otherWay();
    // It counts the records by the length of the list, and writes what is in it: all of them as one.
    const bytes = this.#encode();
    const records: unknown[] = [{ buf: bytes, buffer: bytes }];
    records.length = this.#indices.length;
    return records;
  }

  #encode(): Buffer {
    const into = Buffer.allocUnsafe(this.#bytes);
    let at = 0;
    for (let place = 0; place < this.#indices.length; place++) {
      const { bytes, starts } = this.#ranges[place]!.records;
      const index = this.#indices[place]!;
      const [start, end] = [starts[index]!, starts[index + 1]!];
      at = writeVarInt(into, at, 2 + varIntBytes(place) + end - start);
      // Attributes, and milliseconds since the first record.
      into[at++] = 0;
      into[at++] = 0;
      at = writeVarInt(into, at, place);
      // A record is short: a view of each for `set` would cost more than the copying.
      for (let from = start; from < end; from++) into[at++] = bytes[from]!;
    }
    return into.subarray(0, at);
  }
}
