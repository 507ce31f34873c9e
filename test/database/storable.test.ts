import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pool } from '../../database/pool.ts';
import { jsonbArray, textArray } from '../../database/binary-array.ts';
import { storableJson, storableText } from '../../database/storable.ts';
import { openDatabase } from './open.ts';

/** What the sentence in storable.ts promises, said in another way. */
const expectedText = (text: string) => Buffer.from(text.replaceAll('\u0000', '\uFFFD')).toString();

describe('what Postgres stores', () => {
  let pool: Pool;
  beforeAll(async () => {
    ({ pool } = await openDatabase());
  }, 120_000);
  afterAll(() => pool?.end());

  it('replaces NUL and half surrogates, and only those', () => {
    expect(storableText('a\u0000b')).toBe('a\uFFFDb');
    expect(storableJson({ a: '\u0000\u0000', 'k\uD800': 'é😀\\u0000\n' })).toBe('{"a":"\uFFFD\uFFFD","k\uFFFD":"é😀\\\\u0000\\n"}');
    expect(() => storableJson({ n: 1n })).toThrow(TypeError);
  });

  it('gives back any text and any JSON through binary arrays', async () => {
    const texts = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        const { rows } = await pool.query<{ text: string; json: { v: string } }>('select * from unnest($1::text[], $2::jsonb[]) as row (text, json)', [
          textArray(values.map(storableText)),
          jsonbArray(values.map((v) => storableJson({ v, [v]: 1 }))),
        ]);
        expect(rows.map((row) => row.text)).toEqual(values.map(expectedText));
        rows.forEach((row, i) => {
          const text = expectedText(values[i]!);
          if (text !== 'v') expect(row.json).toEqual({ v: text, [text]: 1 });
        });
      }),
      { numRuns: 60, examples: [[['\u0000', '\uD800', '\uDC00\uD800', '\\u0000', '\\\\u0000', '\\\u0000', '']]] },
    );
  });
});
