import { describe, expect, test } from 'vitest';
import { binaryFormatOf } from '../../lib/byte-formats.ts';
import { encodingOf, TextEncodingError, toUtf8 } from '../../lib/text-encoding.ts';

const json = '{"name":"Zoë 😀"}';
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();
const mark = '\uFEFF';

describe('toUtf8', () => {
  test.each<[string, Buffer, string | undefined]>([
    ['UTF-8', Buffer.from(json), undefined],
    ['UTF-8 with a mark', Buffer.from(mark + json), undefined],
    ['UTF-8 with a mark and a name', Buffer.from(mark + json), 'UTF-8'],
    ['UTF-8, named oddly', Buffer.from(json), 'utf8'],
    ['UTF-16 LE with a mark', Buffer.from(mark + json, 'utf16le'), undefined],
    ['UTF-16 BE with a mark', utf16be(mark + json), undefined],
    ['UTF-16 LE without a mark', Buffer.from(json, 'utf16le'), undefined],
    ['UTF-16 BE without a mark', utf16be(json), undefined],
    ['UTF-16 LE, named', Buffer.from(json, 'utf16le'), 'utf-16le'],
    ['UTF-16 BE, named', utf16be(json), 'UTF-16BE'],
    ['UTF-16, named without an order', Buffer.from(json, 'utf16le'), 'utf_16'],
  ])('reads %s', (_, bytes, charset) => {
    expect(toUtf8(bytes, charset).toString()).toBe(json);
  });

  test('reads Latin-1 when it is named', () => {
    expect(toUtf8(Buffer.from('{"name":"Zoë"}', 'latin1'), 'ISO-8859-1').toString()).toBe('{"name":"Zoë"}');
  });

  test('copies nothing of what is UTF-8', () => {
    const bytes = Buffer.from(json);
    expect(toUtf8(bytes).buffer).toBe(bytes.buffer);
  });

  test.each<[string, Buffer, string | undefined, string]>([
    ['bytes that are not UTF-8', Buffer.from('{"name":"Zo\xeb"}', 'latin1'), undefined, 'the text is not UTF-8'],
    [
      'bytes that are not UTF-8, named ASCII',
      Buffer.from('{"name":"Zo\xeb"}', 'latin1'),
      'us-ascii',
      'the text is not UTF-8',
    ],
    ['half a surrogate pair', Buffer.from('{"a":"\ud83d"}', 'utf16le'), undefined, 'the text is not UTF-16LE'],
    ['half a character', Buffer.from(json, 'utf16le').subarray(0, 7), undefined, 'the text is not UTF-16LE'],
    [
      'UTF-32',
      Buffer.from([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0]),
      undefined,
      'the text is in the charset UTF-32, which is not taken; send UTF-8',
    ],
    [
      'UTF-32 without a mark',
      Buffer.from([0, 0, 0, 0x7b]),
      undefined,
      'the text is in the charset UTF-32, which is not taken; send UTF-8',
    ],
    [
      'an unknown charset',
      Buffer.from(json),
      'klingon',
      'the text is in the charset klingon, which is not taken; send UTF-8',
    ],
    [
      'a charset that Node decodes wrongly',
      Buffer.from(json),
      'windows-1252',
      'the text is in the charset windows-1252, which is not taken; send UTF-8',
    ],
    ['UTF-7', Buffer.from(json), 'utf-7', 'the text is in the charset utf-7, which is not taken; send UTF-8'],
  ])('refuses %s by name', (_, bytes, charset, message) => {
    expect(() => toUtf8(bytes, charset)).toThrow(new TextEncodingError(message));
  });

  test('knows nothing of an empty text', () => {
    expect(encodingOf(Buffer.alloc(0))).toEqual({ label: 'utf-8', markBytes: 0 });
    expect(toUtf8(Buffer.alloc(0)).length).toBe(0);
  });
});

describe('binaryFormatOf', () => {
  test.each<[string, Buffer, string | undefined]>([
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), 'gzip'],
    ['Parquet', Buffer.from('PAR1\x15\x04'), 'Parquet'],
    ['Avro', Buffer.from('Obj\x01\x04'), 'Avro'],
    ['a workbook', Buffer.from('PK\x03\x04\x14\0[Content_Types].xml'), 'Excel (xlsx)'],
    ['an archive', Buffer.from('PK\x03\x04\x14\0events.jsonl'), 'zip'],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 'zstd'],
    ['JSON', Buffer.from('{"a":1}'), undefined],
    ['text that begins like nothing', Buffer.from('ORD-1,5'), undefined],
    ['nothing', Buffer.alloc(0), undefined],
  ])('knows %s', (_, bytes, name) => {
    expect(binaryFormatOf(bytes)).toBe(name);
  });
});
