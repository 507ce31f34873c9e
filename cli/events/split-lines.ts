import { eventBytesMax, tooLarge, trimmed, type EventPiece } from './piece.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Splits bytes into lines, which end with LF, CR LF or CR; blank ones are left out, but count. What stands in a line stays as it is.
 * A line that no event can have is refused without being kept.
 */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<EventPiece> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let line = 1;
  let endedWithReturn = false;
  const take = (part: Buffer) => {
    bytes += part.length;
    if (bytes > eventBytesMax) parts = [];
    else parts.push(part);
  };
  const finish = (): EventPiece | undefined => {
    const text = trimmed(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    const piece =
      bytes > eventBytesMax ? tooLarge({ line }, bytes) : text.length > 0 ? { line, bytes: text } : undefined;
    parts = [];
    bytes = 0;
    line += 1;
    return piece;
  };
  for await (const chunk of chunks) {
    let start = endedWithReturn && chunk[0] === newline ? 1 : 0;
    let nextReturn = -1;
    for (;;) {
      const lineEnd = chunk.indexOf(newline, start);
      // Looked for only behind the last one, because most files have none.
      if (nextReturn < start) nextReturn = indexOrEnd(chunk, carriageReturn, start);
      const end = Math.min(lineEnd < 0 ? chunk.length : lineEnd, nextReturn);
      take(chunk.subarray(start, end));
      if (end === chunk.length) break;
      const piece = finish();
      if (piece) yield piece;
      start = chunk[end] === carriageReturn && chunk[end + 1] === newline ? end + 2 : end + 1;
    }
    endedWithReturn = chunk.at(-1) === carriageReturn;
  }
  const last = finish();
  if (last) yield last;
}

function indexOrEnd(chunk: Buffer, byte: number, from: number): number {
  const found = chunk.indexOf(byte, from);
  return found < 0 ? chunk.length : found;
}
