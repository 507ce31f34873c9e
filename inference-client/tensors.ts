/** Tensors in memory, and their raw form on the wire: little-endian, row-major, no copy where none is needed. */
import { endianness } from 'node:os';
import { decodeBytes, encodeBytes } from './bytes.ts';
import {
  type DataOfDatatype,
  type Datatype,
  fixedWidthDatatypes,
  type FixedWidthDatatype,
  isDatatype,
  isFixedWidthDatatype,
} from './datatypes.ts';

/** A tensor as the server returned it. `datatype` tells the type of `data`; `shape` includes the row dimension. */
export type Tensor<D extends Datatype = Datatype> = {
  [K in D]: {
    readonly name: string;
    readonly datatype: K;
    readonly shape: readonly number[];
    readonly data: DataOfDatatype[K];
  };
}[D];

/** A tensor to send. Elements of BYTES may also be strings, sent as UTF-8. */
export type InputTensor =
  | Tensor<FixedWidthDatatype>
  | {
      readonly name: string;
      readonly datatype: 'BYTES';
      readonly shape: readonly number[];
      readonly data: readonly (Uint8Array | string)[];
    };

// Typed arrays have the byte order of the machine and the protocol is little-endian. Every platform that Node is built for today but s390x is.
const isLittleEndian = endianness() === 'LE';

/**
 * How many elements a shape has; 1 for the empty shape, a scalar.
 *
 * @throws RangeError when a dimension is not a whole number of 0 or more, or the product is too large to count
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0)
      throw new RangeError(`shape [${shape.join(',')}] has a dimension that is not a whole number of 0 or more`);
    count *= dimension;
  }
  if (!Number.isSafeInteger(count)) throw new RangeError(`shape [${shape.join(',')}] has too many elements`);
  return count;
}

/**
 * The raw form of a tensor. For fixed-width types it is a view on `data`: do not change `data` until the call has ended.
 *
 * @throws TypeError when the datatype is unknown or `data` is not its array type
 * @throws RangeError when `data` does not have the number of elements that `shape` says
 */
export function encodeTensor({ name, datatype, shape, data }: InputTensor): Uint8Array {
  assertLittleEndian();
  // JavaScript callers and `as` casts reach this too, so the types are checked at run time.
  if (!isDatatype(datatype))
    throw new TypeError(`input '${name}': '${String(datatype)}' is not a datatype of the protocol`);
  const expected = datatype === 'BYTES' ? Array : fixedWidthDatatypes[datatype].arrayType;
  if (!(data instanceof expected))
    throw new TypeError(`input '${name}': the data of ${datatype} must be a ${expected.name}, got ${nameOfType(data)}`);
  const count = elementCount(shape);
  if (data.length !== count)
    throw new RangeError(
      `input '${name}': shape [${shape.join(',')}] means ${count} elements, the data has ${data.length}`,
    );
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const wrong = data.find((element) => typeof element !== 'string' && !(element instanceof Uint8Array));
  if (wrong !== undefined)
    throw new TypeError(
      `input '${name}': an element of BYTES must be a string or a Uint8Array, got ${nameOfType(wrong)}`,
    );
  return encodeBytes(data);
}

/**
 * A tensor from its raw form: a view on `raw` where the alignment allows it, a copy of the elements where it does not.
 *
 * @throws RangeError when the bytes do not fit the shape
 * @throws TypeError when the datatype is unknown
 */
export function decodeTensor(name: string, datatype: string, shape: readonly number[], raw: Uint8Array): Tensor {
  assertLittleEndian();
  if (!isDatatype(datatype)) throw new TypeError(`tensor '${name}': '${datatype}' is not a datatype of the protocol`);
  const count = elementCount(shape);
  if (!isFixedWidthDatatype(datatype)) return { name, datatype, shape, data: decodeBytes(raw, count) };
  const { bytesPerElement, arrayType } = fixedWidthDatatypes[datatype];
  if (raw.byteLength !== count * bytesPerElement) {
    throw new RangeError(
      `tensor '${name}': shape [${shape.join(',')}] of ${datatype} takes ${count * bytesPerElement} bytes, there are ${raw.byteLength}`,
    );
  }
  // gRPC hands out views that begin anywhere; a typed array must begin at a multiple of its width.
  const aligned = raw.byteOffset % bytesPerElement === 0 ? raw : new Uint8Array(raw);
  const data = new arrayType(aligned.buffer as ArrayBuffer, aligned.byteOffset, count);
  return { name, datatype, shape, data } as Tensor;
}

/** The elements of a BYTES tensor as text. A byte sequence that is not UTF-8 throws a TypeError rather than being changed. */
export function textOf(tensor: Tensor<'BYTES'>): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return tensor.data.map((element) => decoder.decode(element));
}

function nameOfType(value: unknown): string {
  return typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'an object') : typeof value;
}

function assertLittleEndian(): void {
  if (!isLittleEndian) throw new TypeError('this package needs a little-endian machine');
}
