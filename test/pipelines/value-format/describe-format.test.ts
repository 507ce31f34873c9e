import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { describeFormat } from '../../../pipelines/value-format/describe-format.ts';

const schema = z.object({ id: z.string(), amount: z.number() });
const isEvent = (parsed: unknown) => schema.safeParse(parsed).success;
const event = { id: 'canary-17', amount: 12.5 };
const json = JSON.stringify(event);
const bytes = (...numbers: number[]) => Buffer.from(numbers);
const framed = (id: number, rest: Buffer | string) =>
  Buffer.concat([bytes(0, id >>> 24, (id >> 16) & 255, (id >> 8) & 255, id & 255), Buffer.from(rest)]);
const text = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const protobuf = Buffer.concat([bytes(0x0a, 9), Buffer.from('canary-17'), bytes(0x11, 0, 0, 0, 0, 0, 0, 0x29, 0x40)]);

describe('what a value looks like', () => {
  test.each<[string, Buffer | null, string]>([
    ['tombstone', null, 'a record without a value (a tombstone)'],
    ['empty', Buffer.alloc(0), 'an empty value'],
    [
      'Confluent JSON',
      framed(7, json),
      "a JSON object of another shape in Confluent's wire format (magic byte 0, schema id 7)",
    ],
    [
      'Confluent Avro',
      framed(100_041, bytes(0x12, 0x63, 0xff, 0x00, 0x29, 0x40)),
      "Avro or Protobuf in Confluent's wire format (magic byte 0, schema id 100041)",
    ],
    [
      'Confluent Protobuf',
      framed(3, Buffer.concat([bytes(0), protobuf])),
      "Avro or Protobuf in Confluent's wire format (magic byte 0, schema id 3)",
    ],
    [
      'Apicurio with eight bytes',
      Buffer.concat([bytes(0, 0, 0, 0, 0, 0, 0, 0, 9), text(json)]),
      "a JSON object of another shape in Confluent's wire format (magic byte 0, schema id 9)",
    ],
    [
      'AWS Glue',
      Buffer.concat([bytes(3, 0), Buffer.alloc(16, 0xab), protobuf]),
      'Avro, Protobuf or JSON in the wire format of the AWS Glue schema registry',
    ],
    ['Excel', text('PK\x03\x04 [Content_Types].xml'), 'an Excel file'],
    ['SQLite', text('SQLite format 3\0'), 'an SQLite file'],
    ['Avro container', Buffer.concat([text('Obj\x01'), bytes(2, 0x16)]), 'an Avro container file'],
    [
      'Avro single object',
      Buffer.concat([bytes(0xc3, 0x01), Buffer.alloc(12, 0xee)]),
      'Avro in its single-object encoding',
    ],
    ['gzip', gzipSync(json), 'a JSON object of another shape, compressed by the application (gzip)'],
    ['gzip that is cut', gzipSync(json).subarray(0, 12), 'JSON that was cut off, compressed by the application (gzip)'],
    [
      'zlib',
      deflateSync(Buffer.from(json.repeat(20))),
      'several JSON objects in one value, compressed by the application (zlib)',
    ],
    ['zstd', bytes(0x28, 0xb5, 0x2f, 0xfd, 1, 2), 'data compressed by the application (zstd)'],
    ['lz4', bytes(0x04, 0x22, 0x4d, 0x18, 1, 2), 'data compressed by the application (lz4)'],
    ['snappy', Buffer.concat([bytes(0xff, 6, 0, 0), text('sNaPpY')]), 'data compressed by the application (snappy)'],
    ['snappy of Java', Buffer.concat([bytes(0x82), text('SNAPPY\0')]), 'data compressed by the application (snappy)'],
    [
      'MessagePack',
      Buffer.concat([
        bytes(0x82, 0xa2),
        text('id'),
        bytes(0xa1, 0x78),
        bytes(0xa6),
        text('amount'),
        bytes(0xcb, 0x40, 0x29, 0, 0, 0, 0, 0, 0),
      ]),
      'MessagePack',
    ],
    [
      'CBOR',
      Buffer.concat([bytes(0xa2, 0x62), text('id'), bytes(0x61, 0x78, 0x66), text('amount'), bytes(0xf9, 0x4a, 0x40)]),
      'CBOR',
    ],
    ['BSON', bytes(16, 0, 0, 0, 0x10, 0x69, 0x64, 0, 1, 0, 0, 0, 0x0a, 0x61, 0, 0), 'BSON, as MongoDB writes it'],
    ['Protobuf', protobuf, 'Protobuf'],
    ['Java serialization', bytes(0xac, 0xed, 0, 5, 0x73), 'an object of Java serialization'],
    ['UTF-16 with a mark', Buffer.from(`\uFEFF${json}`, 'utf16le'), 'a JSON object of another shape in UTF-16'],
    ['UTF-16 without one', Buffer.from(json, 'utf16le').swap16(), 'a JSON object of another shape in UTF-16'],
    [
      'Latin-1',
      Buffer.from('{"name":"Zoë"}', 'latin1'),
      'a JSON object of another shape in another character set than UTF-8, such as ISO 8859-1',
    ],
    ['XML', text('<?xml version="1.0"?><payment id="1"/>'), 'XML'],
    ['CSV', text('canary-17;12,5;2018-04-01'), 'a line of 3 fields that are separated by semicolons (CSV)'],
    ['CSV with commas', text('canary-17,12.5,2018-04-01,x'), 'a line of 4 fields that are separated by commas (CSV)'],
    ['prose', text('hello, it is me, again'), 'plain text'],
    ['lines', text(`${json}\n${json}\n`), 'several JSON texts in one value, one a line'],
    ['objects in a row', text(`${json}${json}`), 'several JSON objects in one value'],
    ['array', text([event, event]), 'a JSON array of events'],
    ['number', text('17'), 'a JSON number'],
    ['encoded twice', text(JSON.stringify(json)), 'JSON inside a JSON string (encoded twice)'],
    ['Base64', text(Buffer.from(json).toString('base64')), 'JSON in Base64'],
    ['Base64 in a string', text(JSON.stringify(gzipSync(json).toString('base64'))), 'Base64 in a JSON string'],
    [
      'Python',
      text("{'id': 'canary-17', 'amount': 12.5}"),
      'an object in the notation of Python or JavaScript (single quotes), not JSON',
    ],
    ['NaN', text('{"id":"canary-17","amount":NaN}'), 'JSON with NaN or Infinity, which JSON does not have'],
    ['cut', text(json.slice(0, -4)), 'JSON that was cut off'],
    ['a comma too many', text('{"id":"canary-17",}'), 'JSON with a comma too many'],
    ['zero behind', text(`${json}\0`), 'a JSON object of another shape, with zero bytes behind it'],
    [
      'Debezium',
      text({ before: null, after: event, source: { db: 'x' }, op: 'c', ts_ms: 1 }),
      'a change event of Debezium (an envelope with before, after, op and source)',
    ],
    [
      'Debezium with schema',
      text({ schema: {}, payload: { before: null, after: event, source: {}, op: 'c' } }),
      'a change event of Debezium with its schema (an envelope with schema and payload)',
    ],
    [
      'Connect with schema',
      text({ schema: {}, payload: event }),
      'JSON of Kafka Connect with its schema (an envelope with schema and payload)',
    ],
    [
      'CloudEvents',
      text({ specversion: '1.0', type: 'a', source: 'b', id: '1', data: event }),
      'a CloudEvent in structured mode',
    ],
    ['an envelope of their own', text({ meta: {}, payload: event }), 'an envelope whose field payload is the event'],
    ['an event as text', text({ body: json }), 'an envelope whose field body is the event as a text'],
    ['other fields', text({ Id: 'canary-17', betrag: 3 }), 'a JSON object of another shape'],
  ])('%s', (_, value, looksLike) => {
    const said = describeFormat(value, isEvent);
    expect(said.looksLike).toBe(looksLike);
    expect(JSON.stringify(said)).not.toMatch(/canary|12\.5|Zo/);
  });

  test('a header tells how it is encoded', () => {
    expect(describeFormat(bytes(0xf1, 0xf2, 0xf3), isEvent, ['traceparent', '__value_schema_id']).looksLike).toContain(
      'the header __value_schema_id',
    );
  });

  test('a small gzip that inflates to very much is not inflated', () => {
    expect(describeFormat(gzipSync(Buffer.alloc(8 * 1024 * 1024))).looksLike).toBe(
      'data compressed by the application (gzip)',
    );
  });

  test('says something of any bytes, and throws on none', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.string().map((value) => Buffer.from(value)),
          fc.json().map((value) => Buffer.from(value)),
        ),
        (value) => {
          expect(describeFormat(value, isEvent).looksLike).toMatch(/\w/);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
