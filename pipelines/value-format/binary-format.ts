import { isUtf8 } from 'node:buffer';
import { binaryFormatOf } from '../../lib/byte-formats.ts';

/** As sentences have them, where the name alone will not do. */
const phrases: Record<string, string> = {
  Avro: 'an Avro container file',
  Smile: 'Smile, a binary form of JSON',
  'Java serialization': 'an object of Java serialization',
  PNG: 'a PNG image',
  JPEG: 'a JPEG image',
  Parquet: 'a Parquet file',
  'encrypted Parquet': 'an encrypted Parquet file',
  ORC: 'an ORC file',
  Arrow: 'an Arrow file',
  SQLite: 'an SQLite file',
  PDF: 'a PDF file',
  'old Excel': 'an Excel file',
  'Excel (xlsx)': 'an Excel file',
  zip: 'a ZIP archive',
  tar: 'a tar archive',
  '7z': 'a 7z archive',
};

/** What binary data is; undefined when nothing tells for sure. */
export function binaryFormat(bytes: Buffer): string | undefined {
  const known = binaryFormatOf(bytes);
  if (known) return phrases[known] ?? known;
  if (isGlue(bytes)) return 'Avro, Protobuf or JSON in the wire format of the AWS Glue schema registry';
  if (isBson(bytes)) return 'BSON, as MongoDB writes it';
  if (bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5 && bytes.at(-1) === 0x2e) return 'a Python pickle';
  if (isUtf8(bytes)) return isProtobuf(bytes) ? 'Protobuf' : undefined;
  if (isMapWithTextKey(bytes, 0x80, 0x8f, 0xa0, 0xbf)) return 'MessagePack';
  if (isMapWithTextKey(bytes, 0xa0, 0xb7, 0x60, 0x77)) return 'CBOR';
  return isProtobuf(bytes) ? 'Protobuf' : undefined;
}

/** Confluent's serializers write a zero, the schema's id, and then the value. Apicurio's older ones write an id of eight bytes. */
export function confluentHeader(bytes: Buffer): { schemaId: number; headerBytes: number } | undefined {
  if (bytes[0] !== 0 || bytes.length < 6) return undefined;
  const schemaId = bytes.readUInt32BE(1);
  // Ids are counted up from 1, or from 100,000; a number beyond all of them is no id.
  if (schemaId > 0 && schemaId < 100_000_000) return { schemaId, headerBytes: 5 };
  if (schemaId !== 0 || bytes.length < 10) return undefined;
  const longId = Number(bytes.readBigUInt64BE(1));
  return longId > 0 && longId < 100_000_000 ? { schemaId: longId, headerBytes: 9 } : undefined;
}

/** Version 3, a byte that tells the compression, and an id of 16 bytes. */
function isGlue(bytes: Buffer): boolean {
  return bytes.length > 18 && bytes[0] === 3 && (bytes[1] === 0 || bytes[1] === 5);
}

/** Begins with its own length and ends with a zero. */
function isBson(bytes: Buffer): boolean {
  return bytes.length >= 5 && bytes.readInt32LE(0) === bytes.length && bytes.at(-1) === 0;
}

/** A short map whose first key is a short text of ASCII letters, in an encoding that has both in one byte with their length. */
function isMapWithTextKey(bytes: Buffer, mapFrom: number, mapTo: number, textFrom: number, textTo: number): boolean {
  const [map = 0, text = 0] = bytes;
  if (map <= mapFrom || map > mapTo || text <= textFrom || text > textTo) return false;
  const key = bytes.subarray(2, 2 + text - textFrom);
  return key.length === text - textFrom && /^[A-Za-z_][\w .-]*$/.test(key.toString('latin1'));
}

/** Fields of known wire types, end to end, with a control character among the first two bytes, as no text has it. */
function isProtobuf(bytes: Buffer): boolean {
  let at = 0;
  let fields = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return -1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  if (bytes[0]! >= 0x20 && bytes[1]! >= 0x20) return false;
  if ([0x09, 0x0d].includes(bytes[0]!)) return false;
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    if (tag < 0 || field < 1 || field > 1_000) return false;
    const wireType = tag % 8;
    if (wireType === 0 && varint() < 0) return false;
    if (wireType === 1) at += 8;
    if (wireType === 5) at += 4;
    if (wireType === 2) {
      const length = varint();
      if (length < 0) return false;
      at += length;
    }
    if (![0, 1, 2, 5].includes(wireType) || at > bytes.length) return false;
    fields++;
  }
  return fields >= 2;
}
