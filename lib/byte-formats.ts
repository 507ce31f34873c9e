/** Formats that begin with bytes of their own. */
const magics: readonly (readonly [name: string, magic: string])[] = [
  ['gzip', '\x1f\x8b'],
  ['zstd', '\x28\xb5\x2f\xfd'],
  ['bzip2', 'BZh'],
  ['xz', '\xfd7zXZ\0'],
  ['lz4', '\x04\x22\x4d\x18'],
  ['snappy', '\xff\x06\0\0sNaPpY'],
  ['snappy', '\x82SNAPPY\0'],
  ['Parquet', 'PAR1'],
  ['encrypted Parquet', 'PARE'],
  ['Avro', 'Obj\x01'],
  ['ORC', 'ORC'],
  ['Arrow', 'ARROW1'],
  ['SQLite', 'SQLite format 3\0'],
  ['PDF', '%PDF'],
  ['7z', '7z\xbc\xaf\x27\x1c'],
  ['PNG', '\x89PNG'],
  ['JPEG', '\xff\xd8\xff'],
  ['old Excel', '\xd0\xcf\x11\xe0'],
  ['Avro in its single-object encoding', '\xc3\x01'],
  ['Java serialization', '\xac\xed\0\x05'],
  ['CBOR', '\xd9\xd9\xf7'],
  ['Smile', ':)\n'],
  ['Amazon Ion', '\xe0\x01\0\xea'],
];

/** Name of the format that these first bytes of a file, body or value belong to, when it is one with bytes of its own. */
export function binaryFormatOf(head: Uint8Array): string | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 512)).toString('latin1');
  if (text.startsWith('PK\x03\x04')) return /xl\/|\[Content_Types\]|_rels\//.test(text) ? 'Excel (xlsx)' : 'zip';
  if (text.slice(257, 262) === 'ustar') return 'tar';
  return magics.find(([, magic]) => text.startsWith(magic))?.[0];
}
