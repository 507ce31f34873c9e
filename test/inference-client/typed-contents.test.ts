import { describe, expect, it } from 'vitest';
import type { InferTensorContents } from '@headrace/inference-client/generated';
import { decodeTypedContents } from '../../inference-client/index.ts';

const empty: InferTensorContents = {
  boolContents: [],
  intContents: [],
  int64Contents: [],
  uintContents: [],
  uint64Contents: [],
  fp32Contents: [],
  fp64Contents: [],
  bytesContents: [],
};

describe('typed contents', () => {
  it.each([
    ['BOOL', { boolContents: [true, false] }, new Uint8Array([1, 0])],
    ['INT8', { intContents: [-1, 2] }, new Int8Array([-1, 2])],
    ['INT16', { intContents: [-1, 2] }, new Int16Array([-1, 2])],
    ['INT32', { intContents: [-1, 2] }, new Int32Array([-1, 2])],
    ['INT64', { int64Contents: [-1n, 2n] }, new BigInt64Array([-1n, 2n])],
    ['UINT8', { uintContents: [1, 2] }, new Uint8Array([1, 2])],
    ['UINT16', { uintContents: [1, 2] }, new Uint16Array([1, 2])],
    ['UINT32', { uintContents: [1, 2] }, new Uint32Array([1, 2])],
    ['UINT64', { uint64Contents: [1n, 2n] }, new BigUint64Array([1n, 2n])],
    ['FP32', { fp32Contents: [1.5, Number.NaN] }, new Float32Array([1.5, Number.NaN])],
    ['FP64', { fp64Contents: [1.5, -0] }, new Float64Array([1.5, -0])],
  ])('of %s become its typed array', (datatype, contents, expected) => {
    expect(decodeTypedContents('t', datatype, [2], { ...empty, ...contents })).toEqual({
      name: 't',
      datatype,
      shape: [2],
      data: expected,
    });
  });

  it('of BYTES stay as they are', () => {
    const bytesContents = [new Uint8Array([255]), new Uint8Array()];
    expect(decodeTypedContents('t', 'BYTES', [2], { ...empty, bytesContents }).data).toBe(bytesContents);
  });

  it('are refused in the wrong field, in the wrong number, or for a type that has none', () => {
    expect(() => decodeTypedContents('t', 'FP32', [1], { ...empty, intContents: [1] })).toThrow(
      'datatype FP32 belongs into fp32Contents, but intContents is filled',
    );
    expect(() => decodeTypedContents('t', 'FP32', [2], { ...empty, fp32Contents: [1] })).toThrow(
      'means 2 elements, there are 1',
    );
    expect(() => decodeTypedContents('t', 'FP16', [1], empty)).toThrow("'FP16' has no typed contents");
  });
});
