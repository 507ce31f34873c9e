import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeHeaders, headersIn, readableHeaders, textHeader } from '../../contracts/record-headers.ts';
import { createPublisher } from '../../kafka/producer.ts';
import { dashboardRows, deadLetters, lakeTable, openBatches, readTopic } from './collect.ts';
import { differences, recompute } from './oracle.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

const at = Date.UTC(2026, 0, 1);
const good = (i: number) => ({
  key: `a${i % 5}`,
  value: JSON.stringify({ id: `e${i}`, account: `a${i % 5}`, amount: i, at: at + i }),
});
const payment = { id: 'x', account: 'a1', amount: 1, at };

/** What can never become an event, and the code that its dead letter must carry. */
const corpus: [name: string, value: Buffer | string | null, code: string][] = [
  ['null value', null, 'EMPTY_VALUE'],
  ['empty value', '', 'EMPTY_VALUE'],
  ['cut JSON', '{"id":"e1","acc', 'NOT_JSON'],
  ['plain text', 'hello', 'NOT_JSON'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'NOT_JSON'],
  ['wrong type', JSON.stringify({ ...payment, amount: 'much' }), 'SCHEMA_MISMATCH'],
  ['missing field', JSON.stringify({ id: 'x' }), 'SCHEMA_MISMATCH'],
  ['a list', '[1,2,3]', 'SCHEMA_MISMATCH'],
  [
    'a number that overflows',
    JSON.stringify({ ...payment, amount: 0 }).replace('"amount":0', '"amount":1e999'),
    'SCHEMA_MISMATCH',
  ],
  ['__proto__', `{"__proto__":{"admin":1},${JSON.stringify(payment).slice(1)}`, 'FORBIDDEN_KEY'],
  ['constructor', JSON.stringify({ ...payment, extra: { constructor: {} } }), 'FORBIDDEN_KEY'],
  [
    'nested 10,000 deep',
    `{"deep":${'['.repeat(10_000)}${']'.repeat(10_000)},${JSON.stringify(payment).slice(1)}`,
    'TOO_DEEP',
  ],
  ['an empty id', JSON.stringify({ ...payment, id: '' }), 'BAD_EVENT'],
  ['year 12000', JSON.stringify({ ...payment, at: Date.UTC(12_000, 0, 1) }), 'BAD_EVENT'],
  [
    'a wrong value of 900 KB',
    JSON.stringify({ ...payment, amount: 'much', note: 'x'.repeat(900_000) }),
    'SCHEMA_MISMATCH',
  ],
  ['a value of 3 MB', JSON.stringify({ ...payment, note: 'x'.repeat(3_000_000) }), 'RECORD_TOO_LARGE'],
];

let system: System;
beforeAll(async () => {
  system = await System.start();
  const limit = (topic: string, bytes: number, ...others: { name: string; value: string }[]) => ({
    type: 2,
    name: topic,
    configEntries: [{ name: 'max.message.bytes', value: String(bytes) }, ...others],
  });
  // Brokers since 3.6 refuse times that lie more than an hour ahead, by default; those before took any.
  const anyTime = { name: 'message.timestamp.after.max.ms', value: '9223372036854775807' };
  // What a broker takes by default, but for the records that the test itself sends.
  const resources = [
    limit(system.topic, 4_000_000, anyTime),
    limit(`${system.name}.dead-letters`, 1_048_588),
    limit(`${system.name}.decisions`, 1_048_588),
  ];
  await system.admin.alterConfigs({ validateOnly: false, resources });
});
afterAll(() => system?.stop());

describe('poison', () => {
  test('every poisoned record gets a dead letter with its reason, and its neighbours pass', async () => {
    let sent = 0;
    for (const [name, value] of corpus) {
      await system.producer.send({
        topic: system.topic,
        acks: -1,
        messages: [good(sent++), { key: 'a1', value, headers: { poison: name } }, good(sent++)],
      });
    }
    // A large valid one travels alone, and is decided like any other.
    const large = { ...payment, id: 'large', at: at + sent, note: 'y'.repeat(900_000) };
    await system.producer.send({
      topic: system.topic,
      acks: -1,
      messages: [good(sent++), { key: 'a1', value: JSON.stringify(large) }, good(sent++)],
    });
    await until('decisions', async () => (await system.countDecisions()) >= sent + 1, { detail: () => system.logs() });
    await until('all deliveries', async () => (await openBatches(system)) === 0, { detail: () => system.logs() });

    const records = await readTopic(system, system.topic);
    const poisoned = new Map<string, string>(
      [...records].flatMap(([partition, list]) =>
        list
          .filter(({ texts }) => texts['poison'])
          .map(
            ({ offset, texts }) =>
              [`test:${system.name}:0:${system.topic}:${partition}:${offset}`, texts['poison']!] as const,
          ),
      ),
    );
    const letters = await deadLetters(system);
    expect(Object.fromEntries([...letters].map(([key, codes]) => [poisoned.get(key), codes[0]]))).toEqual(
      Object.fromEntries(corpus.map(([name, , code]) => [name, code])),
    );

    // As they came, headers too; what is too long for a topic's usual limit is cut, and says so.
    const published = [...(await readTopic(system, `${system.name}.dead-letters`)).values()].flat();
    for (const [name, value] of corpus) {
      const bytes = value === null ? undefined : Buffer.byteLength(value);
      const letter = published.find(({ texts }) => texts['poison'] === name);
      expect([name, letter?.key?.toString(), letter?.value?.length]).toEqual([
        name,
        'a1',
        bytes !== undefined && bytes > 768 * 1024 ? 65_536 : bytes,
      ]);
    }
    const cut = published.flatMap(
      ({ texts: { poison, 'headrace-value-bytes': valueBytes, 'headrace-record-bytes': recordBytes } }) =>
        valueBytes || recordBytes ? [[poison!, valueBytes ?? Number(recordBytes) > 3_000_000]] : [],
    );
    expect(Object.fromEntries(cut)).toEqual({ 'a value of 3 MB': true, 'a wrong value of 900 KB': '900070' });

    for (const [partition, list] of records)
      records.set(
        partition,
        list.filter(({ texts }) => !texts['poison']),
      );
    expect(differences(recompute(system.name, system.topic, records), await dashboardRows(system))).toEqual([]);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  }, 120_000);

  test('odd headers and times are decided like any others, and kept as they came', async () => {
    const started = await dashboardRows(system);
    const publisher = await createPublisher(system.kafka);
    const event = (id: string) => JSON.stringify({ ...payment, id, account: 'odd', at });
    const headers = {
      'odd-null': [textHeader('traced', 'yes'), textHeader('nothing', null)],
      'odd-repeated': [textHeader('a', '1'), textHeader('b', ''), textHeader('a', '2')],
      'odd-names': [
        textHeader('__proto__', 'p'),
        textHeader('toString', 't'),
        textHeader('', 'no name'),
        textHeader('headrace-code', 'FORGED'),
      ],
      'odd-binary': [[Buffer.from([0xff]), Buffer.from('01c0ffee00deadbeef80ff7fe0a1b2c3d4', 'hex')] as const],
      'odd-many': Array.from({ length: 12_000 }, (_, i) => textHeader(`h${i}`, 'v')),
    };
    const nowMs = Date.now();
    const times = {
      'odd-none': '-1',
      'odd-nanoseconds': `${nowMs}000001`,
      'odd-microseconds': `${nowMs}000`,
      'odd-least': '-9223372036854775808',
      'odd-plain': String(nowMs),
    };
    try {
      for (const [id, list] of Object.entries(headers))
        await publisher.publish(system.topic, [
          { key: 'odd', value: event(id), headers: list },
          { key: 'odd', value: `refused ${id}`, headers: list },
        ]);
    } finally {
      await publisher.close();
    }
    for (const [id, timestamp] of Object.entries(times)) {
      await system.producer.send({
        topic: system.topic,
        acks: -1,
        messages: [
          { key: 'odd', value: event(id), timestamp },
          { key: 'odd', value: `refused ${id}`, timestamp },
        ],
      });
    }
    await until('decisions', async () => (await system.countDecisions()) >= started.length + 10, {
      detail: () => system.logs(),
    });
    await until('all deliveries', async () => (await openBatches(system)) === 0, { detail: () => system.logs() });

    const { rows } = await system.pool.query<{ event_id: string; record_time: Date | null }>(
      "select event_id, record_time from decisions where event_id like 'odd-%' order by 1",
    );
    const withTime = ([id, timestamp]: [string, string]) => [
      id,
      id === 'odd-plain' ? new Date(Number(timestamp)) : null,
    ];
    expect(
      Object.fromEntries(
        rows.filter(({ event_id }) => event_id in times).map((row) => [row.event_id, row.record_time]),
      ),
    ).toEqual(Object.fromEntries(Object.entries(times).map(withTime)));
    expect(rows.filter(({ event_id, record_time }) => event_id in headers && record_time !== null)).toHaveLength(5);

    const lake = new Map((await lakeTable(system, started.length + 10)).map((row) => [row['event_id'] as string, row]));
    for (const [id, list] of Object.entries(headers))
      expect([id, JSON.parse(lake.get(id)!['record_headers'] as string)]).toEqual([
        id,
        readableHeaders(encodeHeaders(list)),
      ]);
    expect(Object.keys(times).map((id) => [id, lake.get(id)!['record_time'] === null])).toEqual(
      Object.keys(times).map((id) => [id, id !== 'odd-plain']),
    );

    const letters = new Map(
      [...(await readTopic(system, `${system.name}.dead-letters`)).values()]
        .flat()
        .map((letter) => [Buffer.from(letter.value ?? []).toString(), letter]),
    );
    for (const [id, list] of Object.entries(headers)) {
      const found = [...headersIn(letters.get(`refused ${id}`)!.headers)];
      const theirs = list.filter(([name]) => !Buffer.from(name).toString().startsWith('headrace-'));
      expect(encodeHeaders(found.slice(0, theirs.length))).toEqual(encodeHeaders(theirs));
      const ours = found.slice(theirs.length).map(([name]) => Buffer.from(name).toString());
      expect([ours.every((name) => name.startsWith('headrace-')), new Set(ours).size]).toEqual([true, ours.length]);
    }
    for (const [id, timestamp] of Object.entries(times))
      expect([id, letters.get(`refused ${id}`)!.texts['headrace-timestamp']]).toEqual([id, timestamp]);
    expect(letters.get('refused odd-names')!.texts['headrace-code']).toBe('NOT_JSON');
  }, 240_000);
});
