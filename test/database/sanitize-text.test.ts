import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textArray } from '../../database/array-parameters.ts';
import type { Pool } from '../../database/pool.ts';
import { sanitizeJson, sanitizeText } from '../../database/sanitize-text.ts';
import { openDatabase } from './open.ts';

/** What the sentence in storable.ts promises, said in another way. */
const expectedText = (text: string) => Buffer.from(text.replaceAll('\u0000', '\uFFFD')).toString();

describe('what Postgres stores', () => {
  let pool: Pool;
  beforeAll(async () => {
    ({ pool } = await openDatabase());
    await pool.query('create table stored (number int generated always as identity, text text, json jsonb)');
  }, 120_000);
  afterAll(() => pool?.end());

  it('replaces NUL and half surrogates, and only those', () => {
    expect(sanitizeText('a\u0000b')).toBe('a\uFFFDb');
    expect(sanitizeJson({ a: '\u0000\u0000', 'k\uD800': 'é😀\\u0000\n' })).toBe(
      '{"a":"\uFFFD\uFFFD","k\uFFFD":"é😀\\\\u0000\\n"}',
    );
    expect(() => sanitizeJson({ n: 1n })).toThrow(TypeError);
  });

  it('gives back any text and any JSON as binary and as plain parameters', async () => {
    const jsonOf = (v: string) => sanitizeJson({ v, [v]: 1 });
    const texts = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        await pool.query('truncate stored');
        const [texts, jsons] = [values.map(sanitizeText), values.map(jsonOf)];
        const forms: (string[] | Buffer)[][] = [
          [textArray(texts), textArray(jsons)],
          [texts, jsons],
        ];
        for (const lists of forms) {
          await pool.query(
            'insert into stored (text, json) select text, json::jsonb from unnest($1::text[], $2::text[]) as row (text, json)',
            lists,
          );
        }
        const { rows } = await pool.query<{ text: string; json: { v: string } }>(
          'select text, json from stored order by number',
        );
        const both = [...values, ...values];
        expect(rows.map((row) => row.text)).toEqual(both.map(expectedText));
        rows.forEach((row, i) => {
          const text = expectedText(both[i]!);
          if (text !== 'v') expect(row.json).toEqual({ v: text, [text]: 1 });
        });
      }),
      { numRuns: 60, examples: [[['\u0000', '\uD800', '\uDC00\uD800', '\\u0000', '\\\\u0000', '\\\u0000', '']]] },
    );
  });
});
