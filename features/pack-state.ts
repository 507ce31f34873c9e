/**
 * How a state is stored: a quarter of its size in memory, because what a batch writes is what bounds its speed. Lossless: a
 * number that has no short form is kept as the eight bytes it is.
 */

const formatVersion = 1;
/** Amounts of money and whole numbers are whole multiples of this part of 1. */
const parts = 100;
const packedBytesPerNumberMax = 9;

/** Packs a state made by `WindowState.toArray`: `[stride, pane, pane, ...]`. */
export function packState(state: Float64Array): Buffer {
  const stride = state[0]!;
  const writer = new Writer(2 * packedBytesPerNumberMax + state.length * packedBytesPerNumberMax);
  writer.whole(formatVersion);
  writer.whole(stride);
  writer.whole((state.length - 1) / stride);
  // From the newest pane to the oldest, so that the newest time can be read without the rest.
  let newer = 0;
  for (let at = state.length - stride; at > 0; at -= stride) {
    writer.step(Math.abs(newer - state[at]!));
    newer = state[at]!;
    writer.whole(state[at + 1]!);
    for (let i = 2; i < stride; i++) writer.number(state[at + i]!);
  }
  return writer.bytes();
}

/** Bytes that are no state, or one of another version. */
class StateFormatError extends RangeError {
  override readonly name = 'StateFormatError';
}

/** The opposite of `packState`. Throws a StateFormatError on bytes of another format. */
export function unpackState(bytes: Uint8Array): Float64Array {
  const reader = new Reader(bytes);
  const { stride, panes } = readHeader(reader);
  const state = new Float64Array(1 + panes * stride);
  state[0] = stride;
  let newer = 0;
  for (let at = state.length - stride; at > 0; at -= stride) {
    newer = Math.abs(newer - reader.step());
    state[at] = newer;
    state[at + 1] = reader.whole();
    for (let i = 2; i < stride; i++) state[at + i] = reader.number();
  }
  return state;
}

/** The time of the newest pane of a packed state; -Infinity when it has none. */
export function newestTimeOf(bytes: Uint8Array): number {
  const reader = new Reader(bytes);
  return readHeader(reader).panes > 0 ? reader.step() : -Infinity;
}

function readHeader(reader: Reader): { stride: number; panes: number } {
  const version = reader.whole();
  if (version !== formatVersion)
    throw new StateFormatError(`a state of format ${version}; this version of Headrace reads format ${formatVersion}`);
  return { stride: reader.whole(), panes: reader.whole() };
}

let scratch = Buffer.allocUnsafe(64 * 1024);
let scratchView = new DataView(scratch.buffer, scratch.byteOffset, scratch.length);

/** Writes into one shared buffer; packing is synchronous, so nobody else writes meanwhile. */
class Writer {
  #at = 0;

  constructor(bytesMax: number) {
    if (scratch.length >= bytesMax) return;
    scratch = Buffer.allocUnsafe(bytesMax);
    scratchView = new DataView(scratch.buffer, scratch.byteOffset, scratch.length);
  }

  /** A whole number from 0 to 2^53: seven bits a byte, the lowest first. */
  whole(value: number): void {
    let rest = value;
    while (rest >= 0x80000000) {
      scratch[this.#at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      scratch[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    scratch[this.#at++] = rest;
  }

  /** Milliseconds; short when they are whole seconds. */
  step(ms: number): void {
    const seconds = ms / 1_000;
    if (Number.isInteger(seconds)) this.whole(seconds * 2);
    else this.whole(ms * 2 + 1);
  }

  /** Any number; short when it is a whole number of hundredths, not negative. */
  number(value: number): void {
    const short = Math.round(value * parts);
    if (short >= 0 && short < 2 ** 46 && short / parts === value && !Object.is(value, -0)) {
      this.whole(short + 1);
      return;
    }
    this.whole(0);
    scratchView.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  bytes(): Buffer {
    return Buffer.from(scratch.subarray(0, this.#at));
  }
}

class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor(private readonly packed: Uint8Array) {
    this.#view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  }

  whole(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.packed[this.#at++];
      if (byte === undefined) throw new StateFormatError('a stored state was cut');
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  }

  step(): number {
    const value = this.whole();
    return value % 2 === 0 ? value * 500 : (value - 1) / 2;
  }

  number(): number {
    const short = this.whole();
    if (short > 0) return (short - 1) / parts;
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }
}
