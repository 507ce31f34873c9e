import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBytes, encodeBytes } from '../../inference-client/bytes.ts';

describe('raw BYTES', () => {
  it('is a little-endian length and the bytes, one element after the other', () => {
    expect([...encodeBytes(['ab', new Uint8Array([7])])]).toEqual([2, 0, 0, 0, 97, 98, 1, 0, 0, 0, 7]);
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (elements) => {
        const decoded = decodeBytes(encodeBytes(elements), elements.length);
        expect(decoded.map((element) => [...element])).toEqual(elements.map((element) => [...element]));
      }),
    );
  });

  it('refuses bytes that are cut off, left over or promised in vain', () => {
    const raw = encodeBytes(['abc', 'd']);
    expect(() => decodeBytes(raw.subarray(0, 6), 1)).toThrow('element 0 of 1 ends at byte 7, after the last byte 6');
    expect(() => decodeBytes(raw, 1)).toThrow('5 bytes are left after 1 elements');
    expect(() => decodeBytes(raw, 3)).toThrow('element 2 of 3 is missing');
    expect(() => decodeBytes(raw, 1_000_000_000)).toThrow('1000000000 elements do not fit into 12 bytes');
  });
});
