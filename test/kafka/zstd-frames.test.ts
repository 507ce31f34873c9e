import { randomBytes } from 'node:crypto';
import { compress, init } from '@bokuweb/zstd-wasm';
import { beforeAll, describe, expect, test } from 'vitest';
import { inflate, InflateBudget } from '../../kafka/compression.ts';
import { zstdFrames } from '../../kafka/zstd-frames.ts';

const zstdCodec = 4;
const small = Buffer.from('a record '.repeat(3));
const large = Buffer.from('another record '.repeat(40_000));
const skippable = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0]), Buffer.from('abc')]);
/** As a stream writes it: a window of 128 KiB, no size, no checksum, one block as it is and then one of the same byte 70,000 times. */
const streamed = Buffer.concat([
  Buffer.from('28b52ffd0038', 'hex'),
  Buffer.from([small.length << 3, 0, 0]),
  small,
  Buffer.from([3 | ((70_000 << 3) & 0xff), ((70_000 << 3) >> 8) & 0xff, (70_000 << 3) >> 16, 0x78]),
]);
const streamedContent = Buffer.concat([small, Buffer.alloc(70_000, 'x')]);

describe('zstd of several frames', () => {
  beforeAll(() => init());
  const frame = (bytes: Buffer) => Buffer.from(compress(bytes));
  const inflated = (bytes: Buffer, bytesMax?: number) => inflate(zstdCodec, bytes, new InflateBudget(), bytesMax);

  test('comes whole, in order, however large the first one says it is', async () => {
    for (const parts of [[small], [large, small], [small, large, small], [randomBytes(300_000), small]])
      expectSame(await inflated(Buffer.concat(parts.map(frame))), Buffer.concat(parts));
    expectSame(
      await inflated(Buffer.concat([streamed, frame(small), streamed])),
      Buffer.concat([streamedContent, small, streamedContent]),
    );
  });

  test('frames of other data are passed', async () => {
    expectSame(
      await inflated(Buffer.concat([skippable, frame(small), skippable, frame(large), skippable])),
      Buffer.concat([small, large]),
    );
  });

  test('may become as large together as is allowed, and no larger', async () => {
    const bytes = Buffer.concat([frame(large), streamed]);
    const content = large.length + streamedContent.length;
    expect(await inflated(bytes, content)).toHaveLength(content);
    await expect(inflated(bytes, content - 1)).rejects.toThrow('that inflates to more than');
  });

  test('says how large each becomes, as far as it says so itself', () => {
    const sizes = [10, 255, 256, 300, 70_000, 600_000].map((size) => Buffer.alloc(size, 'ab'));
    expect(
      [...zstdFrames(Buffer.concat([...sizes.map(frame), streamed]))].map(({ contentBytes }) => contentBytes),
    ).toEqual([10, 255, 256, 300, 70_000, 600_000, undefined]);
  });

  test('that is cut, or goes on with something else, cannot be inflated', async () => {
    const bytes = Buffer.concat([frame(small), frame(large)]);
    const first = frame(small).length;
    for (let cut = 1; cut < bytes.length; cut++)
      if (cut !== first) await expect(inflated(bytes.subarray(0, cut)), `${cut}`).rejects.toThrow('cannot be inflated');
    await expect(inflated(Buffer.concat([bytes, Buffer.from('something')]))).rejects.toThrow('cannot be inflated');
  });
});

function expectSame(found: Buffer, wanted: Buffer): void {
  expect(found).toHaveLength(wanted.length);
  expect(found.equals(wanted)).toBe(true);
}
