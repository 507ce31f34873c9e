import { createReadStream, type ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf } from '../../contracts/failures.ts';
import { binaryFormatOf } from '../../lib/byte-formats.ts';
import { encodingOf, TextEncodingError, type TextEncoding } from '../../lib/text-encoding.ts';
import { binarySentence, EventsFileError, formatOf, headBytesMax, type EventsFormat } from './format.ts';
import type { EventPiece } from './piece.ts';
import { splitLines } from './split-lines.ts';
import { splitValues } from './split-values.ts';

/** The events of a file or of standard input, as they are read. */
export interface EventSource {
  format: EventsFormat;
  /** Rejects with an EventsFileError where the text cannot go on. */
  pieces: AsyncIterable<EventPiece>;
  /** Lets go of the file. */
  close(): void;
}

const chunkBytes = 256 * 1024;
/** Enough to tell formats; more come with the first chunk of a file, and would be waited for on standard input. */
const magicBytes = 6;

/**
 * Opens events as people have them: JSON lines, JSON arrays and JSON over several lines; in UTF-8 or UTF-16, with or without a byte
 * order mark; also packed with gzip. Nothing is kept in memory but the events under way. Rejects with an EventsFileError, one sentence
 * that says what the file is and what to do, when it is anything else.
 */
export async function openEvents(file: string): Promise<EventSource> {
  if (file === '-') return readEvents('standard input', process.stdin);
  const input = await openFile(file);
  try {
    return await readEvents(file, input);
  } catch (error) {
    input.destroy();
    throw error;
  }
}

async function openFile(file: string): Promise<ReadStream> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(file)).isDirectory();
  } catch (error) {
    throw new EventsFileError(`${file} cannot be read (${messageOf(error)})`, { cause: error });
  }
  if (isFolder)
    throw new EventsFileError(`${file} cannot be read (EISDIR: it is a folder); name a file of events in it`);
  return createReadStream(file, { highWaterMark: chunkBytes });
}

async function readEvents(name: string, input: Readable): Promise<EventSource> {
  const packed = new Chunks(name, input);
  let bytes = packed;
  let format = binaryFormatOf(await bytes.peek(magicBytes));
  if (format === 'gzip') {
    bytes = new Chunks(name, packed.through(createGunzip()));
    format = binaryFormatOf(await bytes.peek(magicBytes));
  }
  if (format !== undefined) throw new EventsFileError(binarySentence(name, format));
  const text = new Chunks(name, utf8Of(name, bytes));
  let events: EventsFormat | undefined;
  for (let wanted = 1; events === undefined; wanted = text.peeked.length + 1) {
    const head = (await text.peek(wanted)).subarray(0, headBytesMax);
    events = formatOf(name, head, text.isWhole);
  }
  const pieces = events === 'values' ? splitValues(name, text) : splitLines(text);
  return { format: events, pieces, close: () => void input.destroy() };
}

/** The text in UTF-8, without a byte order mark. */
async function* utf8Of(name: string, bytes: Chunks): AsyncGenerator<Buffer> {
  const encoding = encodingIn(name, await bytes.peek(4));
  let skipped = encoding.markBytes;
  const decoder =
    encoding.label === 'utf-8' ? undefined : new TextDecoder(encoding.label, { fatal: true, ignoreBOM: true });
  const decode = (chunk?: Buffer) => {
    try {
      return Buffer.from(decoder!.decode(chunk, { stream: chunk !== undefined }));
    } catch {
      throw new EventsFileError(
        `${name} is not ${encoding.label.toUpperCase()} all through, as it began; save it in UTF-8`,
      );
    }
  };
  for await (const chunk of bytes) {
    const part = chunk.subarray(skipped);
    skipped -= chunk.length - part.length;
    yield decoder ? decode(part) : part;
  }
  if (decoder) yield decode();
}

function encodingIn(name: string, first: Buffer): TextEncoding {
  try {
    return encodingOf(first);
  } catch (error) {
    if (!(error instanceof TextEncodingError)) throw error;
    throw new EventsFileError(`${name} is in UTF-32: save it in UTF-8`);
  }
}

/** A stream of bytes whose beginning can be looked at before it is read. */
class Chunks implements AsyncIterable<Buffer> {
  readonly #name: string;
  readonly #chunks: AsyncIterator<Buffer>;
  /** What was looked at, and not read yet. */
  peeked: Buffer = Buffer.alloc(0);
  isWhole = false;

  constructor(name: string, chunks: AsyncIterable<Buffer>) {
    this.#name = name;
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The first bytes: as many as asked for, or all when there are fewer. May be more. */
  async peek(bytes: number): Promise<Buffer> {
    while (!this.isWhole && this.peeked.length < bytes) {
      const chunk = await this.#next();
      if (chunk) this.peeked = Buffer.concat([this.peeked, chunk]);
    }
    return this.peeked;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    if (this.peeked.length > 0) yield this.peeked;
    this.peeked = Buffer.alloc(0);
    while (!this.isWhole) {
      const chunk = await this.#next();
      if (chunk) yield chunk;
    }
  }

  /** What another stream makes of the bytes. */
  async *through(transform: NodeJS.ReadWriteStream): AsyncGenerator<Buffer> {
    // What fails shows when the output is read.
    yield* pipeline(Readable.from(this), transform, () => undefined) as AsyncIterable<Buffer>;
  }

  async #next(): Promise<Buffer | undefined> {
    try {
      const { value, done } = await this.#chunks.next();
      this.isWhole = done === true;
      return done ? undefined : value;
    } catch (error) {
      if (error instanceof EventsFileError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = code?.startsWith('Z_') || code === 'ERR_PADDING_2' ? 'it is no whole gzip' : message;
      throw new EventsFileError(`${this.#name} cannot be read (${reason})`, { cause: error });
    }
  }
}
