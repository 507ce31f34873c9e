/** Requests to the models of fixtures/repository, and what is right for them. */
import { expect } from 'vitest';
import {
  InferenceError,
  type InferenceErrorCode,
  type InferRequest,
  type InputTensor,
} from '../../../inference-client/index.ts';

/** `rows` rows of three features for the model `linear`: row i is [i, i + 0.5, -i]. */
export function features(rows: number): Float32Array {
  return Float32Array.from({ length: rows * 3 }, (_, index) => {
    const row = Math.floor(index / 3);
    return [row, row + 0.5, -row][index % 3] as number;
  });
}

/** What `linear` must answer: x . [1, 2, 4] + 0.5 in version 1, + 100.5 in version 2. Exact in float32 for small rows. */
export function scores(data: Float32Array, version: number): number[] {
  return Array.from(
    { length: data.length / 3 },
    (_, row) =>
      (data[row * 3] as number) +
      2 * (data[row * 3 + 1] as number) +
      4 * (data[row * 3 + 2] as number) +
      (version === 1 ? 0.5 : 100.5),
  );
}

export function x(data: Float32Array, shape: readonly number[] = [data.length / 3, 3]): InputTensor {
  return { name: 'x', datatype: 'FP32', shape, data };
}

export function linear(data: Float32Array, more: Partial<InferRequest> = {}): InferRequest {
  return { model: 'linear', inputs: [x(data)], ...more };
}

/** One tensor of each type for the model `identity`, with the values that are easiest to get wrong. */
export const oneOfEach: readonly InputTensor[] = [
  { name: 'in_bool', datatype: 'BOOL', shape: [3], data: new Uint8Array([1, 0, 1]) },
  { name: 'in_uint8', datatype: 'UINT8', shape: [2], data: new Uint8Array([0, 255]) },
  { name: 'in_uint16', datatype: 'UINT16', shape: [2], data: new Uint16Array([0, 65_535]) },
  { name: 'in_uint32', datatype: 'UINT32', shape: [2], data: new Uint32Array([0, 4_294_967_295]) },
  { name: 'in_uint64', datatype: 'UINT64', shape: [2], data: new BigUint64Array([0n, 2n ** 64n - 1n]) },
  { name: 'in_int8', datatype: 'INT8', shape: [2], data: new Int8Array([-128, 127]) },
  { name: 'in_int16', datatype: 'INT16', shape: [2], data: new Int16Array([-32_768, 32_767]) },
  { name: 'in_int32', datatype: 'INT32', shape: [2], data: new Int32Array([-(2 ** 31), 2 ** 31 - 1]) },
  { name: 'in_int64', datatype: 'INT64', shape: [2], data: new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n]) },
  { name: 'in_fp16', datatype: 'FP16', shape: [2], data: new Uint16Array([0x3c00, 0xfbff]) },
  { name: 'in_fp32', datatype: 'FP32', shape: [4], data: new Float32Array([Number.NaN, Infinity, -0, 1.5]) },
  { name: 'in_fp64', datatype: 'FP64', shape: [2], data: new Float64Array([Number.MIN_VALUE, -Infinity]) },
  { name: 'in_bytes', datatype: 'BYTES', shape: [3], data: ['', 'straße', 'a\nb'] },
];

/** Waits for a rejection and checks that it is our error with this code and a message that begins with it. */
export async function expectCode(promise: Promise<unknown>, code: InferenceErrorCode): Promise<InferenceError> {
  const error = await promise.then(
    (value) => {
      throw new Error(`expected ${code}, but the call succeeded with ${typeof value}`);
    },
    (failure: unknown) => failure,
  );
  if (!(error instanceof InferenceError)) throw error;
  expect(error.message).toMatch(new RegExp(`^${code}: `));
  expect(error.code).toBe(code);
  return error;
}
