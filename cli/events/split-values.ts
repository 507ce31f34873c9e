import { EventsFileError } from './format.ts';
import { eventBytesMax, isSpace, tooLarge, type EventPiece } from './piece.ts';

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const newline = 0x0a;

/**
 * Splits bytes into JSON values that stand one after another, over any number of lines; an array at the top stands for its elements.
 * Keeps only the value under way, and not even that when it is longer than an event may be. Throws an EventsFileError where the text
 * cannot go on.
 */
export async function* splitValues(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<EventPiece> {
  const splitter = new ValueSplitter(name);
  for await (const chunk of chunks) yield* splitter.push(chunk);
  yield* splitter.end();
}

class ValueSplitter {
  readonly #name: string;
  #line = 1;
  #events = 0;
  #inArray = false;
  /** What may stand next at the top, or in the array. */
  #next: 'value' | 'value or end' | 'comma or end' = 'value';
  #value: { line: number; parts: Buffer[]; bytes: number; depth: number; isScalar: boolean } | undefined;
  #inString = false;
  #escaped = false;

  constructor(name: string) {
    this.#name = name;
  }

  *push(chunk: Buffer): Generator<EventPiece> {
    let at = 0;
    while (at < chunk.length) {
      if (!this.#value) at = this.#between(chunk, at);
      if (!this.#value) continue;
      const end = this.#endOfValue(chunk, at);
      this.#keep(chunk.subarray(at, end ?? chunk.length));
      if (end === undefined) return;
      yield this.#finish();
      at = end;
    }
  }

  *end(): Generator<EventPiece> {
    if (this.#value && this.#value.isScalar && !this.#inString) yield this.#finish();
    if (this.#value)
      throw new EventsFileError(
        `${this.#name} ends within the event that begins in line ${this.#value.line}; those before it were read`,
      );
    if (this.#inArray)
      throw new EventsFileError(`${this.#name} ends within its array; the events before that were read`);
  }

  /** Passes what stands between values; returns where the next one begins, which is then under way, or the end of the chunk. */
  #between(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === newline) this.#line += 1;
      if (isSpace(byte)) continue;
      if (!this.#inArray && byte === 0x5b) {
        this.#inArray = true;
        this.#next = 'value or end';
      } else if (this.#inArray && byte === 0x5d && this.#next !== 'value') {
        this.#inArray = false;
        this.#next = 'value';
      } else if (this.#inArray && byte === comma && this.#next === 'comma or end') {
        this.#next = 'value';
      } else if (this.#next === 'comma or end' || byte === comma || byte === 0x5d || byte === 0x7d) {
        throw new EventsFileError(
          `${this.#name} is no JSON from line ${this.#line} on: "${String.fromCharCode(byte)}" stands between two events; those before it were read`,
        );
      } else {
        this.#value = { line: this.#line, parts: [], bytes: 0, depth: 0, isScalar: byte !== 0x7b && byte !== 0x5b };
        return at;
      }
    }
    return chunk.length;
  }

  /** Where the value under way ends; undefined when that is not in this chunk. */
  #endOfValue(chunk: Buffer, from: number): number | undefined {
    const value = this.#value!;
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#inString) {
        if (byte === newline) this.#line += 1;
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inString = false;
        continue;
      }
      if (value.isScalar && (byte === comma || byte === 0x5d || byte === 0x7d || isSpace(byte))) return at;
      if (byte === newline) this.#line += 1;
      else if (byte === quote) this.#inString = true;
      else if (byte === 0x7b || byte === 0x5b) value.depth += 1;
      else if ((byte === 0x7d || byte === 0x5d) && --value.depth === 0) return at + 1;
    }
    return undefined;
  }

  #keep(part: Buffer): void {
    const value = this.#value!;
    value.bytes += part.length;
    if (value.bytes > eventBytesMax) value.parts = [];
    else value.parts.push(part);
  }

  #finish(): EventPiece {
    const { line, parts, bytes } = this.#value!;
    this.#value = undefined;
    this.#next = this.#inArray ? 'comma or end' : 'value';
    const place = { line, event: ++this.#events };
    return bytes > eventBytesMax
      ? tooLarge(place, bytes)
      : { ...place, bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts) };
  }
}
