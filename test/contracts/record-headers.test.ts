import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BrokenHeadersError,
  encodeHeaders,
  headersIn,
  readableHeaders,
  skipHeaders,
  textHeader,
  type RecordHeader,
} from '../../contracts/record-headers.ts';

const bytes = (maxLength: number) =>
  fc.oneof(
    fc.uint8Array({ maxLength }),
    fc.constantFrom('__proto__', 'toString', '', 'ü').map((text) => textHeader(text, null)[0]),
  );
const header: fc.Arbitrary<RecordHeader> = fc.tuple(bytes(10), fc.option(bytes(20_000), { nil: null }));

describe('headers of a record', () => {
  it('come back in their order, repeated ones, those without a value and odd names too', () => {
    fc.assert(
      fc.property(fc.array(header), (headers) => {
        const encoded = encodeHeaders(headers);
        expect([...headersIn(encoded)]).toEqual(headers);
        expect(skipHeaders(encoded, 0, encoded.length, headers.length)).toBe(encoded.length);
      }),
    );
  });

  it('that were cut are told', () => {
    const encoded = encodeHeaders([textHeader('name', 'value')]);
    for (let length = 1; length < encoded.length; length++)
      expect(() => [...headersIn(encoded.subarray(0, length))]).toThrow(BrokenHeadersError);
    for (const broken of [[1], [0x80], [3, 0, 0], [0xff, 0xff, 0xff, 0xff, 0xff, 0]])
      expect(() => [...headersIn(Uint8Array.from(broken))]).toThrow(BrokenHeadersError);
  });

  it('are readable without loss: text as it is, other bytes in base64', () => {
    fc.assert(
      fc.property(fc.array(header), (headers) => {
        const read = readableHeaders(encodeHeaders(headers)).map(
          (each): RecordHeader => [
            Buffer.from('name' in each ? each.name : Buffer.from(each.nameBase64, 'base64')),
            'valueBase64' in each
              ? Buffer.from(each.valueBase64, 'base64')
              : each.value === null
                ? null
                : Buffer.from(each.value),
          ],
        );
        expect(read.map((each) => each.map((part) => part && [...part]))).toEqual(
          headers.map((each) => each.map((part) => part && [...part])),
        );
      }),
    );
  });
});
