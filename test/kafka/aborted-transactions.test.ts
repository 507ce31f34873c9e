import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { filterAbortedTransactions, type FetchedPartition } from '../../kafka/aborted-transactions.ts';
import { newKafka } from '../../kafka/connection.ts';

const require = createRequire(import.meta.url);
type BatchClass = new (
  topic: string,
  fetchedOffset: string,
  partition: FetchedPartition & { partition: number; highWatermark: string },
) => { messages: { offset: string }[]; lastOffset(): string };
const Batch = require('kafkajs/src/consumer/batch') as BatchClass;

type Message = FetchedPartition['messages'][number];
/** A step of a log: a producer writes, plainly or in its transaction, or ends its transaction. */
type Step = { producer: number; kind: 'plain' | 'write' | 'commit' | 'abort' };

/** A partition as a broker keeps it: transactions are listed in the order in which they ended. */
function logOf(steps: readonly Step[]) {
  const messages: Message[] = [];
  const open = new Map<number, number[]>();
  const hidden = new Set<number>();
  const index: { producerId: string; firstOffset: number; lastOffset: number }[] = [];
  for (const { producer, kind } of steps) {
    const offset = messages.length;
    const written = open.get(producer);
    if ((kind === 'commit' || kind === 'abort') && !written) continue;
    const isControlRecord = kind === 'commit' || kind === 'abort';
    // Data may have the key of a marker.
    const key = Buffer.from([0, 0, 0, kind === 'commit' ? 1 : 0]);
    messages.push({
      offset: String(offset),
      key,
      isControlRecord,
      batchContext: { producerId: String(producer), inTransaction: kind !== 'plain' },
    });
    if (kind === 'write') open.set(producer, [...(written ?? []), offset]);
    if (!isControlRecord) continue;
    open.delete(producer);
    if (kind === 'commit') continue;
    for (const each of written!) hidden.add(each);
    index.push({ producerId: String(producer), firstOffset: written![0]!, lastOffset: offset });
  }
  const stable = Math.min(messages.length, ...[...open.values()].map(([first]) => first!));
  return {
    messages,
    index,
    stable,
    isVisible: (offset: number) => !hidden.has(offset) && !messages[offset]!.isControlRecord,
  };
}

/** What a consumer that only reads what is committed is sent. */
function fetchFrom({ messages, index, stable }: ReturnType<typeof logOf>, from: number) {
  return {
    partition: 0,
    highWatermark: String(messages.length),
    messages: messages.slice(from, stable).map((message) => ({ ...message })),
    abortedTransactions: index
      .filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < stable)
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: String(firstOffset) })),
  };
}

describe('records of aborted transactions', () => {
  test('are hidden, and no others, however transactions overlap and wherever a fetch begins', () => {
    const step = fc.record({
      producer: fc.nat({ max: 3 }),
      kind: fc.constantFrom<Step['kind']>('plain', 'write', 'write', 'write', 'commit', 'abort', 'abort'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat({ max: 40 }), (steps, start) => {
        const log = logOf(steps);
        const from = Math.min(start, log.stable);
        const partition = fetchFrom(log, from);
        filterAbortedTransactions(partition);
        const batch = new Batch('t', String(from), partition);
        const expected = log.messages
          .slice(from, log.stable)
          .map(({ offset }) => Number(offset))
          .filter(log.isVisible);
        expect(batch.messages.map(({ offset }) => Number(offset))).toEqual(expected);
        if (from < log.stable) expect(batch.lastOffset()).toBe(String(log.stable - 1));
      }),
      { numRuns: 2_000 },
    );
  });

  test('come through in kafkajs when one begins earlier and ends later than another, or has the key of a marker, which is why we hide them', () => {
    const log = logOf([
      { producer: 1, kind: 'write' },
      { producer: 2, kind: 'write' },
      { producer: 2, kind: 'abort' },
      { producer: 1, kind: 'abort' },
    ]);
    expect(new Batch('t', '0', fetchFrom(log, 0)).messages.map(({ offset }) => offset)).toEqual(['0', '1']);
    const partition = fetchFrom(log, 0);
    filterAbortedTransactions(partition);
    expect(new Batch('t', '0', partition).messages).toEqual([]);
  });

  test('are hidden by every client that we make', () => {
    newKafka({ brokers: ['127.0.0.1:9'] });
    for (const version of [4, 7, 11]) {
      const { decode } = require(`kafkajs/src/protocol/requests/fetch/v${version}/response`) as {
        decode: { isOurs?: true };
      };
      expect(decode.isOurs).toBe(true);
    }
  });
});
