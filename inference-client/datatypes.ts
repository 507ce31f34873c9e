/**
 * The tensor types of the protocol: the name on the wire, the bytes of one element, and the JavaScript array that holds them.
 *
 * FP16 and BF16 have no JavaScript number type: their 16 bits are handed through as they are, in a Uint16Array.
 */

/** Wire name -> width and array type. BYTES is absent: its elements have no fixed width (see bytes.ts). */
export const fixedWidthDatatypes = {
  BOOL: { bytesPerElement: 1, arrayType: Uint8Array },
  UINT8: { bytesPerElement: 1, arrayType: Uint8Array },
  UINT16: { bytesPerElement: 2, arrayType: Uint16Array },
  UINT32: { bytesPerElement: 4, arrayType: Uint32Array },
  UINT64: { bytesPerElement: 8, arrayType: BigUint64Array },
  INT8: { bytesPerElement: 1, arrayType: Int8Array },
  INT16: { bytesPerElement: 2, arrayType: Int16Array },
  INT32: { bytesPerElement: 4, arrayType: Int32Array },
  INT64: { bytesPerElement: 8, arrayType: BigInt64Array },
  FP16: { bytesPerElement: 2, arrayType: Uint16Array },
  BF16: { bytesPerElement: 2, arrayType: Uint16Array },
  FP32: { bytesPerElement: 4, arrayType: Float32Array },
  FP64: { bytesPerElement: 8, arrayType: Float64Array },
} as const;

/** A tensor type whose elements all take the same number of bytes. */
export type FixedWidthDatatype = keyof typeof fixedWidthDatatypes;

/** Every tensor type of the protocol, by its name on the wire. */
export type Datatype = FixedWidthDatatype | 'BYTES';

/** The array that holds the elements of each tensor type, row-major. BOOL: one byte each, 0 or 1. BYTES: the elements themselves. */
export interface DataOfDatatype {
  BOOL: Uint8Array;
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  FP16: Uint16Array;
  BF16: Uint16Array;
  FP32: Float32Array;
  FP64: Float64Array;
  BYTES: readonly Uint8Array[];
}

/** Whether `name` is a tensor type with elements of one width. */
export function isFixedWidthDatatype(name: string): name is FixedWidthDatatype {
  return Object.hasOwn(fixedWidthDatatypes, name);
}

/** Whether `name` is a tensor type of the protocol at all. */
export function isDatatype(name: string): name is Datatype {
  return name === 'BYTES' || isFixedWidthDatatype(name);
}
