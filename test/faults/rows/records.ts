import { isUtf8 } from 'node:buffer';
import { spawn } from 'node:child_process';
import { deadLetters, readTopic } from '../../live/collect.ts';
import { paymentOf } from '../../live/oracle.ts';
import { allowedLatenessMs } from '../../live/payments.ts';
import type { Message } from 'kafkajs';
import type { Random } from '../random.ts';
import type { Row } from '../row.ts';
import { payment, paymentMessage } from '../load.ts';
import { poisonCorpus } from '../poison-corpus.ts';

/** Events of accounts that no other producer of the run uses, so that only the order of their own sends matters. */
function ownEvents(prefix: string, from: number, count: number): Message[] {
  return Array.from({ length: count }, (_, i) =>
    paymentMessage({ ...payment(from + i), id: `${prefix}-${from + i}`, account: `${prefix}${i % 13}` }),
  );
}

const committedEvents = 'events of committed transactions were sent';

export const transactions: Row = {
  name: 'aborted-transactions',
  about:
    'three other producers write in transactions that overlap, half of which they abort: what was aborted has no effect, all else has one, and nothing is held up',
  async run(context) {
    const { system, random } = context;
    let aborted = 0;
    let committed = 0;
    for (let i = 0; i < 30; i += 3) {
      await Promise.all(
        [0, 1, 2].map(async (producer) => {
          const abort = random.next() < 0.5;
          const count = random.whole(1, 100);
          await system.sendAfresh(
            ownEvents(`${abort ? 'aborted' : 'committed'}${producer}`, (i + producer) * 100, count),
            { transactionalId: `faults-${producer}`, abort },
          );
          if (!abort) return void (committed += count);
          aborted++;
          context.fault('a transaction was aborted');
        }),
      );
    }
    await context.load.stop();
    // The last record of each partition has to be one that can be read, or nobody could tell that all were.
    await context.load.burst(1_000);
    await context.recovered();
    context.mustHappen('transactions were aborted', aborted, 5);
    context.mustHappen(committedEvents, committed, 100);
  },
  async verify({ system, sometimes }) {
    const decided = async (prefix: string) =>
      Number(
        (
          await system.pool.query<{ count: string }>('select count(*) from decisions where event_id like $1', [
            `${prefix}%`,
          ])
        ).rows[0]!.count,
      );
    const [fromAborted, fromCommitted] = [await decided('aborted'), await decided('committed')];
    // The comparison with the topic reads it with the same client, which might hide too much or too little in both.
    const sent = sometimes.find(({ what }) => what === committedEvents)?.count;
    return [
      ...(fromAborted > 0 ? [`${fromAborted} events of aborted transactions were decided`] : []),
      ...(fromCommitted === sent ? [] : [`${fromCommitted} of ${sent} events of committed transactions were decided`]),
    ];
  },
};

export const compression: Row = {
  name: 'other-clients',
  about: 'kcat, a client of another family, writes with snappy, lz4, zstd and gzip',
  async run(context) {
    const { system } = context;
    for (const codec of ['snappy', 'lz4', 'zstd', 'gzip']) {
      const lines = ownEvents(codec, 0, 1_000)
        .map(({ key, value }) => `${String(key)}\t${String(value)}`)
        .join('\n');
      await pipe(
        'kcat',
        [
          '-P',
          '-b',
          system.servers.kafka.direct.address,
          '-t',
          system.topic,
          '-z',
          codec,
          '-K',
          '\t',
          '-X',
          'linger.ms=50',
        ],
        `${lines}\n`,
      );
      context.fault(`1,000 records in ${codec}`);
    }
    await context.recovered();
  },
  async verify(context) {
    const { rows } = await context.system.pool.query<{ codec: string; count: string }>(
      "select split_part(event_id, '-', 1) as codec, count(*) from decisions where event_id like '%-%' group by 1",
    );
    for (const codec of ['snappy', 'lz4', 'zstd', 'gzip'])
      context.mustHappen(
        `events in ${codec} were decided`,
        Number(rows.find((row) => row.codec === codec)?.count ?? 0),
        1_000,
      );
    return [];
  },
};

function pipe(command: string, args: string[], input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    let told = '';
    child.stderr.on('data', (piece: Buffer) => (told += piece.toString().slice(0, 1_000)));
    child.once('error', (error) => reject(new Error(`this row needs ${command} (${error.message})`)));
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${told}`)),
    );
    child.stdin.end(input);
  });
}

export const late: Row = {
  name: 'late-and-shuffled',
  about:
    'events come shuffled within a minute, some an hour late, some two days, which is more than is allowed: windows hold what had come by then, and those are marked',
  async run(context) {
    const { system, random } = context;
    for (let round = 0; round < 10; round++) {
      const events = Array.from({ length: 400 }, (_, i) => {
        const number = round * 400 + i;
        const kind = random.next();
        const lateMs = kind < 0.05 ? 3_600_000 : kind < 0.1 ? 2 * allowedLatenessMs : 0;
        // Whole seconds: within one second windows do not tell before from after.
        const at = Date.UTC(2026, 0, 1) + Math.floor(number / 4) * 1_000 - lateMs;
        return { id: `late-${number}`, account: `l${number % 29}`, amount: number % 500, at };
      });
      const shuffled = random.shuffle(events);
      await system.sendAfresh(shuffled.map((event) => ({ key: event.account, value: JSON.stringify(event) })));
      context.fault('400 events out of order');
    }
    await context.recovered();
  },
  async verify(context) {
    const { rows } = await context.system.pool.query<{ count: string }>('select count(*) from decisions where late');
    context.mustHappen('events were marked late', Number(rows[0]!.count), 100);
    return [];
  },
};

/**
 * One valid payment with some of its bytes changed, removed or doubled. Its time is left alone: one that lies far ahead makes all
 * that follow in its partition late, and that is right.
 */
function mutated(random: Random, number: number): Buffer {
  const { at, ...rest } = payment(number);
  const bytes = [
    ...Buffer.from(JSON.stringify({ ...rest, id: `poison-${number}`, account: `poisoned-${number % 7}` }).slice(1)),
  ];
  for (let i = random.whole(1, 4); i > 0; i--) {
    const at = random.whole(0, bytes.length - 1);
    const kind = random.whole(0, 3);
    if (kind === 0) bytes[at] = random.whole(0, 255);
    if (kind === 1) bytes.splice(at, random.whole(1, 8));
    if (kind === 2) bytes.splice(at, 0, ...bytes.slice(at, at + 3));
    if (kind === 3) bytes[at] = random.pick([0x22, 0x2c, 0x2d, 0x30, 0x65, 0x5b, 0x7b, 0x7d, 0x5c, 0x00]);
  }
  return Buffer.concat([Buffer.from(`{"at":${at},`), Buffer.from(bytes)]);
}

/** True for a record that nobody may refuse. What is at the bounds (long ids, huge amounts, odd times, nesting, suspicious keys) may go either way. */
function isFlawless(value: Uint8Array | null): boolean {
  const event = value && isUtf8(value) ? paymentOf(value) : undefined;
  const text = Buffer.from(value ?? []).toString();
  if (!event || /\\u|__proto__|constructor|prototype/.test(text) || text.replaceAll(/[^[{]/g, '').length > 8)
    return false;
  const isShort = (text: string) => text.length > 0 && text.length < 100;
  return isShort(event.id) && isShort(event.account) && Math.abs(event.amount) < 1e9 && event.at < Date.now();
}

export const poison: Row = {
  name: 'poison',
  about:
    '200 hand-made and 10,000 mutated records among good ones: each is decided or gets a dead letter, never both and never neither, and the hand-made ones one that says why',
  // So many in a row of a topic are another case: see strangers.ts.
  needs: { env: { HEADRACE_REFUSED_IN_A_ROW_MAX: '0' } },
  async run(context) {
    const { system, random } = context;
    for (let from = 0; from < 10_000; from += 500) {
      await system.sendAfresh(
        Array.from({ length: 500 }, (_, i) => ({
          partition: 0,
          key: `p${(from + i) % 7}`,
          value: mutated(random, from + i),
          headers: { poison: '1' },
        })),
      );
    }
    context.fault('10,000 mutated records');
    for (const { name, value } of random.shuffle(poisonCorpus)) {
      await system.producer.send({
        topic: system.topic,
        acks: -1,
        messages: [{ partition: 0, key: 'p0', value, headers: { poison: name } }],
      });
    }
    context.fault(`${poisonCorpus.length} hand-made records`);
    await context.recovered();
  },
  async verify(context) {
    const { system } = context;
    // All in one partition: a changed account is then still folded in one order only.
    const letters = await deadLetters(system);
    const { rows } = await system.pool.query<{ event_key: string }>('select event_key from decisions');
    const decided = new Set(rows.map(({ event_key }) => event_key));
    const codes = new Map(poisonCorpus.map(({ name, code }) => [name, code]));
    const problems = [...letters.keys()]
      .filter((key) => decided.has(key))
      .map((key) => `${key}: decided, and a dead letter`);
    for (const [partition, records] of await readTopic(system, system.topic)) {
      for (const { offset, texts, value } of records) {
        const key = `test:${system.name}:0:${system.topic}:${partition}:${offset}`;
        if (!decided.has(key) && !letters.has(key)) problems.push(`${key}: neither decided nor a dead letter`);
        if (!texts['poison'] && letters.has(key)) problems.push(`${key}: a good neighbour got a dead letter`);
        const code = codes.get(texts['poison'] ?? '');
        if (code && letters.get(key)?.[0] !== code)
          problems.push(`${key}: ${texts['poison']} has to be ${code}, and is ${letters.get(key)?.[0]}`);
        if (letters.has(key) && isFlawless(value))
          problems.push(
            `${key}: refused as ${letters.get(key)?.[0]}, and nothing is wrong with ${Buffer.from(value!).toString()}`,
          );
        // What was refused is no event for the comparison of sinks.
        if (letters.has(key)) context.refused.add(key);
      }
    }
    context.mustHappen('records got a dead letter', letters.size, 5_000);
    context.mustHappen('mutated records were decided', 10_000 + poisonCorpus.length - letters.size, 100);
    return problems;
  },
};
