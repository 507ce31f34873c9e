import { gzipSync } from 'node:zlib';
import type { Message } from 'kafkajs';
import { textHeader, type RecordHeader } from '../../../contracts/record-headers.ts';
import { createPublisher } from '../../../kafka/producer.ts';
import { dashboardRows } from '../../live/collect.ts';
import { paymentMessage } from '../load.ts';
import type { Row, RowContext } from '../row.ts';

const rounds = 3;
/** Kinds of record times. */
const times = 3;
const manyHeaders = 12_000;
const lists: Record<string, readonly RecordHeader[]> = {
  'no-value': [textHeader('traced', 'yes'), textHeader('nothing', null)],
  repeated: [textHeader('a', '1'), textHeader('__proto__', 'p'), textHeader('a', '2'), textHeader('', '')],
  bytes: [[Buffer.from([0xff]), gzipSync('odd')]],
  many: Array.from({ length: manyHeaders }, (_, i) => textHeader(`h${i}`, 'v')),
};

/** An event of an account that nobody else uses, so that only the order of its own sends matters. */
function event(id: string, number: number): Message {
  return paymentMessage({
    id: `odd-${id}-${number}`,
    account: `odd-${id}`,
    amount: number,
    at: Date.UTC(2026, 0, 1) + number,
  });
}

async function sendTimes(context: RowContext, round: number): Promise<void> {
  const nowMs = Date.now();
  for (const [name, timestamp] of [
    ['none', '-1'],
    ['nanoseconds', `${nowMs}000001`],
    ['microseconds', `${nowMs}000`],
  ] as const) {
    await context.system.sendAfresh([{ ...event(name, round), timestamp }]);
    context.fault(`record time: ${name}`);
  }
}

export const oddRecords: Row = {
  name: 'odd-records',
  about: `records with headers without a value, repeated, of any bytes, ${manyHeaders} of them, and with times of none, nano- and microseconds, among good ones: all are decided, and no consumer ends`,
  async run(context) {
    const { system } = context;
    // Brokers since 3.6 refuse times that lie more than an hour ahead, by default; those before took any.
    const anyTime = { name: 'message.timestamp.after.max.ms', value: '9223372036854775807' };
    await system.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: system.topic, configEntries: [anyTime] }],
    });
    for (const bridge of system.bridges) bridge.watch('is built anew');
    const publisher = await createPublisher(system.kafka);
    try {
      for (let round = 0; round < context.rounds(rounds); round++) {
        for (const [name, headers] of Object.entries(lists)) {
          const { key, value } = event(name, round);
          await publisher.publish(system.topic, [{ key, value, headers }]);
          context.fault(`headers: ${name}`);
        }
        await sendTimes(context, round);
        await context.pause(1_000, 3_000);
      }
    } finally {
      await publisher.close();
    }
    // Once more where nothing else flows, so that each is the first of its batch.
    await context.load.stop();
    await context.recovered();
    await sendTimes(context, rounds);
    await context.recovered();
    const rebuilt = system.bridges.reduce((sum, bridge) => sum + bridge.seen('is built anew'), 0);
    if (rebuilt > 0) context.problems.push(`${rebuilt} consumers were built anew`);
  },
  async verify(context) {
    const decided = (await dashboardRows(context.system)).filter(({ eventId }) => eventId.startsWith('odd-')).length;
    context.mustHappen(
      'odd records were decided',
      decided,
      context.rounds(rounds) * (Object.keys(lists).length + times) + times,
    );
    return [];
  },
};
