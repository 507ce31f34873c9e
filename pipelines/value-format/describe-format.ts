import type { ValueFormat } from './value-format.ts';
/** Says what the bytes of a refused value look like. No `index.ts` stands here: a folder of pipelines/ with one is a pipeline. */

import { isUtf8 } from 'node:buffer';
import { gunzipSync, inflateSync, constants } from 'node:zlib';
import { binaryFormatOf } from '../../lib/byte-formats.ts';
import { binaryFormat, confluentHeader } from './binary-format.ts';
import { textFormat } from './text-format.ts';

/** A sample is enough to tell what it is; whoever sends a bomb gets no more of it inflated. */
const inflatedBytesMax = 1024 * 1024;

/**
 * @param isEvent whether a parsed JSON value would pass the pipeline's schema, for finding the event inside an envelope
 * @param headers names of the record's headers, lower case
 */
export function describeFormat(
  value: Uint8Array | null,
  isEvent: (parsed: unknown) => boolean = () => false,
  headers: readonly string[] = [],
): ValueFormat {
  if (value === null)
    return {
      looksLike: 'a record without a value (a tombstone)',
      hint: 'events may be in headers or keys, which Headrace does not read',
    };
  if (value.length === 0)
    return { looksLike: 'an empty value', hint: 'events may be in headers or keys, which Headrace does not read' };
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const schemaHeader = headers.find((name) =>
    ['__value_schema_id', 'apicurio.value.globalid', 'apicurio.value.contentid', 'content-encoding'].includes(name),
  );
  const format = formatOf(bytes, isEvent, true);
  return schemaHeader
    ? { ...format, looksLike: `${format.looksLike} (the header ${schemaHeader} says how it is encoded)` }
    : format;
}

function formatOf(bytes: Buffer, isEvent: (parsed: unknown) => boolean, mayHoldMore: boolean): ValueFormat {
  const compressed = mayHoldMore ? compressedFormat(bytes, isEvent) : undefined;
  if (compressed) return compressed;
  const confluent = confluentHeader(bytes);
  if (confluent) return confluentFormat(confluent, bytes, isEvent);
  const utf16 = utf16Text(bytes);
  if (utf16 !== undefined) return { looksLike: `${inner(textFormat(utf16, isEvent))} in UTF-16`, hint: 'write UTF-8' };
  const binary = binaryFormat(bytes);
  if (binary) return { looksLike: binary, hint: 'write one JSON text in UTF-8 per record' };
  if (isUtf8(bytes)) return textFormat(bytes.toString('utf8'), isEvent);
  const latin = textFormat(bytes.toString('latin1'), isEvent);
  if (latin.isJson)
    return {
      looksLike: `${latin.looksLike} in another character set than UTF-8, such as ISO 8859-1`,
      hint: 'write UTF-8',
    };
  return { looksLike: 'binary data of no format that is known here', hint: 'write one JSON text in UTF-8 per record' };
}

function inner({ looksLike }: ValueFormat): string {
  return looksLike;
}

function confluentFormat(
  { schemaId, headerBytes }: { schemaId: number; headerBytes: number },
  bytes: Buffer,
  isEvent: (parsed: unknown) => boolean,
): ValueFormat {
  const rest = bytes.subarray(headerBytes);
  const content = isUtf8(rest) ? textFormat(rest.toString('utf8'), isEvent) : undefined;
  const what = content?.isJson ? content.looksLike : 'Avro or Protobuf';
  return {
    looksLike: `${what} in Confluent's wire format (magic byte 0, schema id ${schemaId})`,
    hint: 'let a converter write plain JSON into the topic that the pipeline reads',
  };
}

const codecs = new Set(['gzip', 'zstd', 'lz4', 'snappy', 'bzip2', 'xz', 'zip']);

function compressedFormat(bytes: Buffer, isEvent: (parsed: unknown) => boolean): ValueFormat | undefined {
  const isZlib = bytes.length > 8 && bytes[0] === 0x78 && bytes.readUInt16BE(0) % 31 === 0 && !isUtf8(bytes);
  const format = binaryFormatOf(bytes);
  const name = format !== undefined && codecs.has(format) ? format : isZlib ? 'zlib' : undefined;
  if (name === undefined) return undefined;
  const hint = "let the producer's client compress (compression.type), and not the value itself";
  if (name !== 'gzip' && name !== 'zlib') return { looksLike: `data compressed by the application (${name})`, hint };
  try {
    const options = { maxOutputLength: inflatedBytesMax, finishFlush: constants.Z_SYNC_FLUSH };
    const { looksLike } = formatOf(
      name === 'gzip' ? gunzipSync(bytes, options) : inflateSync(bytes, options),
      isEvent,
      false,
    );
    return { looksLike: `${looksLike}, compressed by the application (${name})`, hint };
  } catch {
    // What begins like gzip and cannot be inflated, or becomes too large: its beginning is all that can be said of it.
    return name === 'gzip' ? { looksLike: 'data compressed by the application (gzip)', hint } : undefined;
  }
}

/** With a byte order mark; or without, when every other byte of its beginning is zero, as in text of Latin letters. */
function utf16Text(bytes: Buffer): string | undefined {
  const even = bytes.subarray(0, bytes.length & ~1);
  if (even.length < 4) return undefined;
  const zeros = (from: number) => {
    const some = Math.min(even.length, 64);
    for (let at = from; at < some; at += 2) if (even[at] !== 0 || even[at ^ 1] === 0) return false;
    return true;
  };
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || zeros(1)) return even.toString('utf16le').replace(/^\uFEFF/, '');
  if ((bytes[0] === 0xfe && bytes[1] === 0xff) || zeros(0))
    return Buffer.from(even)
      .swap16()
      .toString('utf16le')
      .replace(/^\uFEFF/, '');
  return undefined;
}
