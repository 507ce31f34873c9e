/** Where an event stands. */
export interface EventPlace {
  /** The line that it begins in, counted from 1. */
  line: number;
  /** Its number, counted from 1, where lines do not tell events apart. */
  event?: number;
}

/** One event of a file, as it is written; or why it cannot be one. */
export type EventPiece = EventPlace & ({ bytes: Buffer } | { code: string; reason: string });

/** No gateway takes more; what is longer is not kept in memory. */
export const eventBytesMax = 1_000_000;

/** The refusal of an event that is too long. */
export function tooLarge(place: EventPlace, bytes: number): EventPiece {
  return {
    ...place,
    code: 'RECORD_TOO_LARGE',
    reason: `${place.event === undefined ? 'the line' : 'the event'} has ${bytes} bytes; an event may have at most ${eventBytesMax}`,
  };
}

/**
 * Without whitespace around it, nor the record separator that a JSON text sequence (RFC 7464) begins each text with, nor the byte order mark
 * of a file that was put behind another one.
 */
export function trimmed(text: Buffer): Buffer {
  let start = 0;
  let end = text.length;
  for (; start < end; start++) {
    if (text[start] === 0xef && text[start + 1] === 0xbb && text[start + 2] === 0xbf) start += 2;
    else if (!isSpace(text[start]!)) break;
  }
  while (end > start && isSpace(text[end - 1]!)) end--;
  return text.subarray(start, end);
}

/** Whitespace of JSON, and the record separator. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x1e;
}
