import { isUtf8 } from 'node:buffer';

/** Bytes that are no text in the encoding that they are in, or said to be in. The message is one clause that names it. */
export class TextEncodingError extends Error {
  override readonly name = 'TextEncodingError';
}

/** How a text is encoded, and how many bytes of a byte order mark stand before it. */
export interface TextEncoding {
  label: 'utf-8' | 'utf-16le' | 'utf-16be' | 'iso-8859-1';
  markBytes: number;
}

/**
 * How the JSON text that begins with these bytes (four are enough) is encoded. A byte order mark counts first, then the charset that
 * somebody named, then where the zero bytes stand, because a JSON text begins with an ASCII character. Throws a TextEncodingError when
 * it is an encoding that cannot be read.
 */
export function encodingOf(head: Uint8Array, charset?: string): TextEncoding {
  const [a, b, c, d] = head;
  if ((a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff))
    throw unreadable('UTF-32');
  if (a === 0xef && b === 0xbb && c === 0xbf) return { label: 'utf-8', markBytes: 3 };
  if (a === 0xff && b === 0xfe) return { label: 'utf-16le', markBytes: 2 };
  if (a === 0xfe && b === 0xff) return { label: 'utf-16be', markBytes: 2 };
  const name = charset
    ?.trim()
    .toLowerCase()
    .replace(/^(utf)_?(8|16|32)/, '$1-$2');
  if (name !== undefined && name !== 'utf-16') return { label: knownLabel(name), markBytes: 0 };
  if (a === 0 && b === 0) throw unreadable('UTF-32');
  if (a !== undefined && a !== 0 && b === 0) {
    if (c === 0 && d === 0) throw unreadable('UTF-32');
    return { label: 'utf-16le', markBytes: 0 };
  }
  if (a === 0 || name === 'utf-16') return { label: 'utf-16be', markBytes: 0 };
  return { label: 'utf-8', markBytes: 0 };
}

/** The text in UTF-8 without a byte order mark; the very bytes when they are that. Throws a TextEncodingError on what is no such text. */
export function toUtf8(bytes: Buffer, charset?: string): Buffer {
  const { label, markBytes } = encodingOf(bytes, charset);
  const text = bytes.subarray(markBytes);
  if (label === 'utf-8') {
    if (!isUtf8(text)) throw new TextEncodingError('the text is not UTF-8');
    return text;
  }
  if (label === 'iso-8859-1') return Buffer.from(text.toString('latin1'));
  try {
    return Buffer.from(new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(text));
  } catch {
    throw new TextEncodingError(`the text is not ${label.toUpperCase()}`);
  }
}

/** No others, though TextDecoder knows more: Node decodes some of those wrongly (windows-1252), and a wrong character shows nowhere. */
function knownLabel(name: string): TextEncoding['label'] {
  if (['utf-8', 'us-ascii', 'ascii'].includes(name)) return 'utf-8';
  if (name === 'utf-16le' || name === 'utf-16be') return name;
  if (['iso-8859-1', 'latin1', 'l1', 'iso8859-1', 'iso_8859-1'].includes(name)) return 'iso-8859-1';
  throw unreadable(name.slice(0, 40));
}

function unreadable(name: string): TextEncodingError {
  return new TextEncodingError(`the text is in the charset ${name}, which is not taken; send UTF-8`);
}
