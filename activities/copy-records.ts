import { eventKey, type PartitionRef } from '../contracts/event-key.ts';
import { headersIn, textHeader, type RecordHeader } from '../contracts/record-headers.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import { readAgainHeader } from '../contracts/resume.ts';
import type { FeatureStore } from '../features/index.ts';
import { isRefusedMessage, kafkaCodeOf } from '../kafka/refusal.ts';
import type { CopyPort } from '../scoring/ports.ts';

/** Told of a record that is not read again. */
export type Refuse = (offset: number, why: { code: string; reason: string }) => void;

/** What is written again at once. */
const groupBytesMax = 256 * 1024;

/**
 * Writes records to the end of their partition, as they came, and notes each group at once: what fails later repeats no more than one.
 * Returns how many the topic took.
 */
export async function copyRecords(
  ports: { copies: CopyPort; store: FeatureStore },
  partition: PartitionRef,
  records: readonly KafkaRecord[],
  refuse: Refuse,
): Promise<number> {
  let copied = 0;
  for (const group of groupsOf(records)) copied += await copyGroup(ports, partition, group, refuse);
  return copied;
}

async function copyGroup(
  ports: { copies: CopyPort; store: FeatureStore },
  partition: PartitionRef,
  group: readonly KafkaRecord[],
  refuse: Refuse,
): Promise<number> {
  try {
    await ports.copies.publish(
      partition.topic,
      group.map((record) => ({
        partition: partition.partition,
        key: record.key,
        value: record.value,
        headers: headersOfCopy(partition, record),
      })),
    );
  } catch (error) {
    if (!isRefusedMessage(error)) throw error;
    if (group.length === 1) {
      refuse(group[0]!.offset, { code: kafkaCodeOf(error)!, reason: 'the topic does not take it a second time' });
      return 0;
    }
    let copied = 0;
    for (const record of group) copied += await copyGroup(ports, partition, [record], refuse);
    return copied;
  }
  await ports.store.noteReadAgain(
    partition,
    group.map(({ offset }) => offset),
  );
  return group.length;
}

function groupsOf(records: readonly KafkaRecord[]): KafkaRecord[][] {
  const groups: KafkaRecord[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const more = (record.key?.length ?? 0) + (record.value?.length ?? 0) + (record.headers?.length ?? 0);
    if (bytes + more > groupBytesMax) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(record);
    bytes += more;
  }
  return groups;
}

/** Its own, and where it comes from; one that was read again before has come from there. */
function headersOfCopy(partition: PartitionRef, { offset, headers }: KafkaRecord): RecordHeader[] {
  const own = [...headersIn(headers)].filter(([name]) => Buffer.from(name).toString('latin1') !== readAgainHeader);
  return [...own, textHeader(readAgainHeader, eventKey(partition, offset))];
}
