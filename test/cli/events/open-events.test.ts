import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { formatOf, headBytesMax } from '../../../cli/events/format.ts';
import { openEvents } from '../../../cli/events/open-events.ts';
import { eventBytesMax, type EventPiece } from '../../../cli/events/piece.ts';
import { splitLines } from '../../../cli/events/split-lines.ts';
import { splitValues } from '../../../cli/events/split-values.ts';

const folder = mkdtempSync(join(tmpdir(), 'headrace-events-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const a = '{"id":"a","n":9007199254740993}';
const b = '{ "id" : "b", "text":"] , } \\" \u2028" }';
const pretty = '{\n  "id": "a",\n  "tags": [\n    1\n  ]\n}';

const show = (piece: EventPiece) => [piece.event ?? piece.line, 'bytes' in piece ? piece.bytes.toString() : piece.code];

async function read(content: string | Buffer, name = 'events.jsonl'): Promise<unknown[]> {
  const file = join(folder, name);
  writeFileSync(file, content);
  const source = await openEvents(file);
  const pieces: EventPiece[] = [];
  try {
    for await (const piece of source.pieces) pieces.push(piece);
  } finally {
    source.close();
  }
  return pieces.map(show);
}

describe('openEvents', () => {
  test.each<[string, string | Buffer, unknown[]]>([
    [
      'lines',
      `${a}\n${b}\n`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'lines without an end',
      `${a}\n${b}`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'lines that end as on Windows, with blank ones',
      `${a}\r\n\r\n  \r\n${b}\r\n`,
      [
        [1, a],
        [4, b],
      ],
    ],
    [
      'lines that end as on old Macs',
      `${a}\r${b}\r`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'a JSON text sequence',
      `\x1e${a}\n\x1e${b}\n`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'lines with a byte order mark',
      `\uFEFF${a}\n${b}\n`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'UTF-16 LE',
      Buffer.from(`\uFEFF${a}\r\n${b}\r\n`, 'utf16le'),
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'UTF-16 BE',
      Buffer.from(`\uFEFF${a}\n${b}\n`, 'utf16le').swap16(),
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'UTF-16 LE without a mark',
      Buffer.from(`${a}\n${b}\n`, 'utf16le'),
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'an array in one line',
      `[${a}, ${b}]`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'an array over several lines',
      `[\n  ${a},\n  ${b}\n]\n`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'a pretty array',
      `[\n${pretty},\n${pretty}\n]`,
      [
        [1, pretty],
        [2, pretty],
      ],
    ],
    ['an array with a byte order mark', `\uFEFF [${a}]`, [[1, a]]],
    ['an empty array', '[ ]', []],
    [
      'an array of anything',
      '[1,"a, ]",null,[1,[2]],{}]',
      [
        [1, '1'],
        [2, '"a, ]"'],
        [3, 'null'],
        [4, '[1,[2]]'],
        [5, '{}'],
      ],
    ],
    [
      'an array a line',
      `[${a}]\n[${b}]\n`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'pretty objects',
      `${pretty}\n${pretty}\n`,
      [
        [1, pretty],
        [2, pretty],
      ],
    ],
    ['one pretty object', pretty, [[1, pretty]]],
    [
      'an object over several lines, not indented',
      `{"id":"a",\n"n":1}\n${a}`,
      [
        [1, '{"id":"a",\n"n":1}'],
        [2, a],
      ],
    ],
    [
      'objects side by side',
      `${a}${b} ${a}`,
      [
        [1, a],
        [2, b],
        [3, a],
      ],
    ],
    [
      'objects side by side in several lines',
      `${a}${b}\n${a}\n`,
      [
        [1, a],
        [2, b],
        [3, a],
      ],
    ],
    [
      'objects side by side in a line of any length',
      a.repeat(3_000),
      Array.from({ length: 3_000 }, (__, i) => [i + 1, a]),
    ],
    [
      'a first line that broke off behind an object',
      `${a}${b.slice(0, 8)}\n${b}\n`,
      [
        [1, `${a}${b.slice(0, 8)}`],
        [2, b],
      ],
    ],
    [
      'files with byte order marks, one behind the other',
      `\uFEFF${a}\n\uFEFF${b}\n`,
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'gzip',
      gzipSync(`${a}\n${b}\n`),
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'two gzips, one after the other',
      Buffer.concat([gzipSync(`${a}\n`), gzipSync(b)]),
      [
        [1, a],
        [2, b],
      ],
    ],
    [
      'gzip of a UTF-16 array',
      gzipSync(Buffer.from(`\uFEFF[${a},${b}]`, 'utf16le')),
      [
        [1, a],
        [2, b],
      ],
    ],
    ['nothing', '', []],
    ['nothing but a mark and blank lines', '\uFEFF\r\n \n', []],
    [
      'a broken first line',
      `{"id":\n${a}\n`,
      [
        [1, '{"id":'],
        [2, a],
      ],
    ],
    [
      'a first line that was cut off behind a comma',
      `{"id":1,\n${a}\n`,
      [
        [1, '{"id":1,'],
        [2, a],
      ],
    ],
    [
      'a heading before the lines',
      `# events\n${a}\n`,
      [
        [1, '# events'],
        [2, a],
      ],
    ],
    [
      'an event that is too long between others',
      `${a}\n"${'x'.repeat(eventBytesMax)}"\n${b}`,
      [
        [1, a],
        [2, 'RECORD_TOO_LARGE'],
        [3, b],
      ],
    ],
    [
      'an element that is too long between others',
      `[${a},"${'x'.repeat(eventBytesMax)}",${b}]`,
      [
        [1, a],
        [2, 'RECORD_TOO_LARGE'],
        [3, b],
      ],
    ],
  ])('reads %s', async (_, content, expected) => {
    expect(await read(content)).toEqual(expected);
  });

  test.each<[string, string | Buffer, RegExp]>([
    [
      'CSV',
      'id,amount\n1,2\n3,4\n',
      /^\S+x\.csv is CSV: it must be JSON lines \(one JSON object a line\), or a JSON array of objects; convert it, for example with: duckdb -c "copy \(from '\S+x\.csv'\) to 'x\.jsonl' \(format json\)"$/,
    ],
    ['CSV of one line', 'id,amount', /is no JSON, from its first line on/],
    ['CSV in quotes', '"id";"amount"\r\n"1";"2"\r\n', /is CSV/],
    ['CSV with commas in quotes', 'id,"amount, in EUR"\n1,"5,00"\n', /is CSV/],
    [
      'kcat with keys',
      `key\t${a}\nkey\t${b}\n`,
      /has something before the JSON of its first line: .*; cut off in each line what stands before the first \{$/,
    ],
    ['TSV', 'id\tamount\n1\t2\n', /is TSV/],
    ['CSV in UTF-16', Buffer.from('\uFEFFid,amount\r\n1,2\r\n', 'utf16le'), /is CSV/],
    ['CSV in gzip', gzipSync('id,amount\n1,2\n'), /is CSV/],
    ['XML', '<?xml version="1.0"?>\n<events/>\n', /is XML: it must be/],
    ['HTML', '<!DOCTYPE html>\n<html></html>\n', /is HTML/],
    ['YAML', 'id: a\namount: 5\n', /looks like YAML/],
    ['a log', 'starting up\nlistening on port 80\n', /is no JSON, from its first line on: it must be JSON lines/],
    ['Parquet', Buffer.from('PAR1\x15\x04\x15'), /is Parquet: .*; convert it, for example with: duckdb/],
    ['Avro', Buffer.from('Obj\x01\x04\x14avro.codec'), /is Avro: /],
    [
      'a workbook',
      Buffer.from('PK\x03\x04\x14\0\x06\0[Content_Types].xml'),
      /is Excel \(xlsx\): .*; save it as CSV and convert that$/,
    ],
    ['an archive', Buffer.from('PK\x03\x04\x14\0\0\0events.jsonl'), /is zip: .*; unpack it first$/],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]), /is zstd: .*; unpack it first \(zstd -d\)$/],
    ['zeros', Buffer.alloc(100), /is in UTF-32: save it in UTF-8/],
    [
      'noise',
      Buffer.from([0x91, 0x02, 0xf3, 0x0a, 0xff, 0xfe, 0x00, 0x0a, 0x80, 0x81, 0x82, 0x83]),
      /is no text: it must be JSON lines .*, in UTF-8 or UTF-16$/,
    ],
    [
      'half of a gzip',
      gzipSync(Array.from({ length: 5_000 }, (_, i) => `{"id":"${i * 7_919}"}`).join('\n')).subarray(0, 2_000),
      /cannot be read \(it is no whole gzip\)$/,
    ],
    [
      'an array that is cut off',
      `[${a},${b.slice(0, 9)}`,
      /ends within the event that begins in line 1; those before it were read$/,
    ],
    ['an array without an end', `[${a},`, /ends within its array; the events before that were read$/],
    [
      'an array without commas',
      `[${a}\n${b}]`,
      /is no JSON from line 2 on: "\{" stands between two events; those before it were read$/,
    ],
    [
      'UTF-16 that breaks off',
      Buffer.from(`\uFEFF${a}\n${b}`, 'utf16le').subarray(0, -1),
      /is not UTF-16LE all through, as it began; save it in UTF-8$/,
    ],
  ])('says in one sentence that a file is %s', async (_, content, sentence) => {
    const error = await read(content, 'x.csv').then(
      (pieces) => JSON.stringify(pieces),
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ name: 'EventsFileError', message: expect.stringMatching(sentence) as string });
    expect((error as Error).message).not.toContain('\n');
  });

  test('says in one sentence that there is no file, or that it is a folder', async () => {
    await expect(openEvents(join(folder, 'missing'))).rejects.toThrow(/missing cannot be read \(ENOENT/);
    await expect(openEvents(folder)).rejects.toThrow(
      /cannot be read \(EISDIR: it is a folder\); name a file of events in it$/,
    );
  });
});

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function collect(pieces: AsyncIterable<EventPiece>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const piece of pieces) all.push(show(piece));
  return all;
}

describe('whatever the chunks are', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  const values = fc.array(
    fc.oneof(
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify(value, undefined, 1)),
    ),
    { maxLength: 6 },
  );

  test('property: elements of an array are found', async () => {
    await fc.assert(
      fc.asyncProperty(values, sizes, fc.constantFrom('', ' ', '\n', '\r\n'), async (texts, cuts, space) => {
        const json = `[${texts.map((text) => `${space}${text}${space}`).join(',')}]`;
        expect(await collect(splitValues('x', cut(Buffer.from(json), cuts)))).toEqual(
          texts.map((text, i) => [i + 1, text]),
        );
      }),
    );
  });

  test('property: lines are found', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.json(), { maxLength: 6 }),
        sizes,
        fc.constantFrom('\n', '\r\n', '\r'),
        async (lines, cuts, end) => {
          expect(
            await collect(splitLines(cut(Buffer.from(lines.map((line) => `${line}${end}`).join('')), cuts))),
          ).toEqual(lines.map((line, i) => [i + 1, line]));
        },
      ),
    );
  });

  test('property: a format that is decided early is decided alike when more is known', () => {
    const text = fc.constantFrom(
      `${a}\n${b}\n`,
      `${pretty}\n${pretty}\n`,
      `[${a}]`,
      `{"id":\n${a}\n`,
      '\n\n# x\n{}\n',
      `{"a":[\n${a}\n]}`,
    );
    fc.assert(
      fc.property(text, fc.nat(), (content, at) => {
        const early = formatOf('x', Buffer.from(content).subarray(0, at % (content.length + 1)), false);
        if (early !== undefined) expect(early).toBe(formatOf('x', Buffer.from(content), true));
      }),
    );
  });
});

describe('large files', () => {
  test('a line, an element and a file that are larger than memory should ever hold pass by', async () => {
    async function* huge(head: string, tail: string): AsyncGenerator<Buffer> {
      yield Buffer.from(head);
      const part = Buffer.alloc(1024 * 1024, 'x');
      for (let i = 0; i < 300; i++) yield part;
      yield Buffer.from(tail);
    }
    const before = process.memoryUsage.rss();
    expect(await collect(splitLines(huge(`${a}\n"`, `"\n${b}`)))).toEqual([
      [1, a],
      [2, 'RECORD_TOO_LARGE'],
      [3, b],
    ]);
    expect(await collect(splitValues('x', huge(`[${a},"`, `",${b}]`)))).toEqual([
      [1, a],
      [2, 'RECORD_TOO_LARGE'],
      [3, b],
    ]);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 1024 * 1024);
  });

  test('a first line that is longer than what is looked at is decided all the same', async () => {
    const long = `{"id":"a","pad":"${'x'.repeat(2 * headBytesMax)}"}`;
    expect(await read(`${long}\n${a}`)).toEqual([
      [1, long],
      [2, a],
    ]);
  });

  test('a file is let go of when nobody reads on', async () => {
    const file = join(folder, 'left.jsonl');
    writeFileSync(file, `${a}\n`.repeat(100_000));
    const source = await openEvents(file);
    source.close();
    await expect(collect(source.pieces)).rejects.toThrow(/cannot be read/);
  });
});
