import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeTensor,
  elementCount,
  encodeTensor,
  fixedWidthDatatypes,
  type FixedWidthDatatype,
  type InputTensor,
  textOf,
} from '../../inference-client/index.ts';

const datatypes = Object.keys(fixedWidthDatatypes) as FixedWidthDatatype[];

/** A tensor of a random fixed-width type, of any bytes, so that every bit pattern occurs. */
const anyTensor = fc
  .record({
    datatype: fc.constantFrom(...datatypes),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
    seed: fc.uint8Array({ minLength: 64 * 8, maxLength: 64 * 8 }),
    offset: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ datatype, shape, seed, offset }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const bytes = seed.slice(0, count * fixedWidthDatatypes[datatype].bytesPerElement);
    const data = new fixedWidthDatatypes[datatype].arrayType(bytes.buffer as ArrayBuffer, 0, count);
    return { tensor: { name: 't', datatype, shape, data } as InputTensor, bytes, offset };
  });

describe('tensors', () => {
  it('come back bit by bit from their raw form, wherever in memory that begins', () => {
    fc.assert(
      fc.property(anyTensor, ({ tensor, bytes, offset }) => {
        const raw = encodeTensor(tensor);
        expect([...raw]).toEqual([...bytes]);
        const moved = new Uint8Array(raw.byteLength + offset);
        moved.set(raw, offset);
        const decoded = decodeTensor('t', tensor.datatype, tensor.shape, moved.subarray(offset));
        expect(decoded.data.constructor).toBe(tensor.data.constructor);
        expect([
          ...new Uint8Array(
            (decoded.data as Uint8Array).buffer,
            (decoded.data as Uint8Array).byteOffset,
            (decoded.data as Uint8Array).byteLength,
          ),
        ]).toEqual([...bytes]);
      }),
    );
  });

  it('are encoded without a copy, and decoded without one where the alignment allows', () => {
    const data = new Float32Array([1, 2, 3, 4]);
    const raw = encodeTensor({ name: 'x', datatype: 'FP32', shape: [2], data: data.subarray(1, 3) });
    expect(raw.buffer).toBe(data.buffer);
    expect(raw.byteOffset).toBe(4);
    expect((decodeTensor('x', 'FP32', [2], raw).data as Float32Array).buffer).toBe(data.buffer);
    const shifted = new Uint8Array(9);
    shifted.set(raw, 1);
    const unaligned = decodeTensor('x', 'FP32', [2], shifted.subarray(1)).data as Float32Array;
    expect(unaligned.buffer).not.toBe(shifted.buffer);
    expect([...unaligned]).toEqual([2, 3]);
  });

  it('of text are UTF-8, and bytes that are not are refused rather than changed', () => {
    const raw = encodeTensor({ name: 's', datatype: 'BYTES', shape: [2], data: ['Grüße', Buffer.from('\uFEFFx')] });
    const decoded = decodeTensor('s', 'BYTES', [2], raw);
    expect(decoded.datatype === 'BYTES' && textOf(decoded)).toEqual(['Grüße', '\uFEFFx']);
    expect(() => textOf({ name: 's', datatype: 'BYTES', shape: [1], data: [new Uint8Array([0xff])] })).toThrow(
      TypeError,
    );
  });

  it('are refused when data and shape disagree', () => {
    const data = new Float32Array(3);
    expect(() => encodeTensor({ name: 'x', datatype: 'FP32', shape: [2, 2], data })).toThrow(
      "input 'x': shape [2,2] means 4 elements, the data has 3",
    );
    expect(() => encodeTensor({ name: 'x', datatype: 'FP32', shape: [-1, 3], data })).toThrow(RangeError);
    expect(() => encodeTensor({ name: 'x', datatype: 'FP32', shape: [1.5, 2], data })).toThrow('is not a whole number');
    expect(() => decodeTensor('y', 'FP32', [2], new Uint8Array(7))).toThrow(
      "tensor 'y': shape [2] of FP32 takes 8 bytes, there are 7",
    );
  });

  it('are refused when data and datatype disagree', () => {
    const of = (datatype: string, data: unknown) =>
      encodeTensor({ name: 'x', datatype, shape: [1], data } as InputTensor);
    expect(() => of('FP32', new Float64Array(1))).toThrow(
      "input 'x': the data of FP32 must be a Float32Array, got Float64Array",
    );
    expect(() => of('FP32', [1])).toThrow(TypeError);
    expect(() => of('FP99', new Float32Array(1))).toThrow("'FP99' is not a datatype");
    expect(() => of('toString', new Float32Array(1))).toThrow(TypeError);
    expect(() => of('BYTES', [7])).toThrow('an element of BYTES must be a string or a Uint8Array, got number');
    expect(() => decodeTensor('y', 'constructor', [1], new Uint8Array(4))).toThrow(TypeError);
  });
});

describe('elementCount', () => {
  it('is the product of the dimensions, 1 for a scalar, and never a guess', () => {
    expect(elementCount([])).toBe(1);
    expect(elementCount([2, 3, 4])).toBe(24);
    expect(elementCount([5, 0])).toBe(0);
    expect(() => elementCount([2 ** 40, 2 ** 40])).toThrow('too many elements');
  });
});
