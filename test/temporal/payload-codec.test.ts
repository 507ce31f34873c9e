import { randomBytes } from 'node:crypto';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPayloadCodec, parseCodecKey } from '../../temporal/payload-codec.ts';

const key = parseCodecKey(`k1:${randomBytes(32).toString('base64')}`);
const otherKey = parseCodecKey(`k2:${randomBytes(32).toString('base64')}`);
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value)!;
const textOf = (payload: Payload): string => Buffer.from(payload.data!).toString('latin1');

async function roundTrip(value: unknown, codec = createPayloadCodec()): Promise<unknown> {
  return defaultPayloadConverter.fromPayload((await codec.decode(await codec.encode([payloadOf(value)])))[0]!);
}

describe('payload codec', () => {
  test.each([
    ['without a key', createPayloadCodec()],
    ['with a key', createPayloadCodec({ key })],
  ])('gives back any value %s', async (_, codec) => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.json(), fc.uint8Array({ maxLength: 2_000 }), fc.string({ minLength: 300, maxLength: 3_000 })),
        async (value) => {
          expect(await roundTrip(value, codec)).toEqual(value);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('compresses what gains from it', async () => {
    const [encoded] = await createPayloadCodec().encode([payloadOf('a'.repeat(10_000))]);
    expect(encoded!.data!.length).toBeLessThan(1_000);
  });

  test('passes void results through, in both directions', async () => {
    const codec = createPayloadCodec({ key });
    for (const payload of [payloadOf(undefined), { metadata: { encoding: Buffer.from('binary/null') } }, {}]) {
      expect(await codec.decode(await codec.encode([payload as Payload]))).toEqual([payload]);
    }
  });

  test('leaves nothing readable when a key is set', async () => {
    const codec = createPayloadCodec({ key });
    for (const secret of ['canary-short', 'canary-'.repeat(100)]) {
      const [encoded] = await codec.encode([payloadOf(secret)]);
      expect(textOf(encoded!)).not.toContain('canary');
    }
  });

  test('reads what an old key wrote, and names the key that is missing', async () => {
    const encoded = await createPayloadCodec({ key }).encode([payloadOf('hello')]);
    const rotated = createPayloadCodec({ key: otherKey, oldKeys: [key] });
    expect(defaultPayloadConverter.fromPayload((await rotated.decode(encoded))[0]!)).toBe('hello');
    await expect(createPayloadCodec({ key: otherKey }).decode(encoded)).rejects.toThrow('"k1"');
  });

  test('notices a changed payload', async () => {
    const codec = createPayloadCodec({ key });
    const [encoded] = await codec.encode([payloadOf('hello')]);
    encoded!.data![20]! ^= 1;
    await expect(codec.decode([encoded!])).rejects.toThrow();
  });
});
