/**
 * A frame is how a batch, its features and its decisions travel: one buffer that holds a small JSON header and named columns.
 *
 *     "HRF1" | header bytes (uint32) | header (JSON, UTF-8) | padding | column | padding | column ...
 *
 * The header lists the columns (name, type, length), so a frame describes itself and the codec endpoint can show any of them.
 * Columns are little-endian and start on 8-byte boundaries, so that a reader can lay typed arrays over them without copying.
 * Nothing here is specific to Node: workflow code reads headers too.
 */

export type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

interface ColumnEntry {
  name: string;
  type: keyof typeof columnTypes;
  length: number;
}

/** What every frame header carries; each kind adds its own fields. */
export interface FrameHeader {
  kind: string;
  [field: string]: unknown;
}

export interface Frame<H extends FrameHeader = FrameHeader> {
  header: H;
  columns: Record<string, Column>;
}

const columnTypes = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

const magic = 0x31465248; // "HRF1", little-endian
const prologueBytes = 8;

/** True when the bytes begin like a frame. Cheap: used to tell frames from other binary payloads. */
export function isFrame(bytes: Uint8Array): boolean {
  return bytes.length >= prologueBytes && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) === magic;
}

export function encodeFrame<H extends FrameHeader>({ header, columns }: Frame<H>): Uint8Array {
  const entries: ColumnEntry[] = Object.entries(columns).map(([name, column]) => ({
    name,
    type: typeOf(column),
    length: column.length,
  }));
  const headerJson = new TextEncoder().encode(JSON.stringify({ ...header, columns: entries }));
  let size = align(prologueBytes + headerJson.length);
  const starts = Object.values(columns).map((column) => {
    const start = size;
    size = align(size + column.byteLength);
    return start;
  });
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, headerJson.length, true);
  bytes.set(headerJson, prologueBytes);
  Object.values(columns).forEach((column, i) => {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), starts[i]!);
  });
  return bytes;
}

/** Reads only the header. Throws a RangeError when the bytes are no frame or were cut. */
export function decodeFrameHeader<H extends FrameHeader>(bytes: Uint8Array): H {
  return readHeader<H>(bytes).header;
}

/**
 * Reads a frame. Columns are views on `bytes` when it is 8-byte aligned, else on one copy of it.
 * Throws a RangeError when the bytes are no frame or were cut.
 */
export function decodeFrame<H extends FrameHeader>(bytes: Uint8Array): Frame<H> {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { header, entries, headerBytes } = readHeader<H>(aligned);
  const columns: Record<string, Column> = {};
  let start = align(prologueBytes + headerBytes);
  for (const { name, type, length } of entries) {
    const Type = columnTypes[type];
    const end = start + length * Type.BYTES_PER_ELEMENT;
    if (end > aligned.length)
      throw new FrameError(
        `frame of kind "${header.kind}" was cut: column "${name}" ends at ${end} of ${aligned.length} bytes`,
      );
    columns[name] = new Type(aligned.buffer as ArrayBuffer, aligned.byteOffset + start, length);
    start = align(end);
  }
  return { header, columns };
}

/** Bytes that are no whole frame. The message says where, and quotes none of them. */
class FrameError extends RangeError {
  override readonly name = 'FrameError';
}

function readHeader<H extends FrameHeader>(
  bytes: Uint8Array,
): { header: H; entries: ColumnEntry[]; headerBytes: number } {
  if (!isFrame(bytes)) throw new FrameError(`${bytes.length} bytes that do not begin like a frame`);
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset, prologueBytes).getUint32(4, true);
  if (prologueBytes + headerBytes > bytes.length)
    throw new FrameError(`frame was cut inside its header of ${headerBytes} bytes`);
  const json = new TextDecoder().decode(bytes.subarray(prologueBytes, prologueBytes + headerBytes));
  const { columns: entries, ...header } = JSON.parse(json) as H & { columns: ColumnEntry[] };
  return { header: header as unknown as H, entries, headerBytes };
}

function typeOf(column: Column): keyof typeof columnTypes {
  for (const [type, Type] of Object.entries(columnTypes)) {
    if (column instanceof Type) return type as keyof typeof columnTypes;
  }
  throw new TypeError(`a frame holds no ${(column as object).constructor.name}`);
}

function align(bytes: number): number {
  return (bytes + 7) & ~7;
}
