import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import * as mini from 'zod/mini';
import { z as z3 } from 'zod/v3';
import { mayHoldBigIntegers, parseWithNumberLiterals } from '../../lib/number-literals.ts';
import { parseValue } from '../../pipelines/parse-value.ts';
import { Refused } from '../../pipelines/refused.ts';

const big = '9007199254740993';
const exact = '9007199254740992';
const huge = '123456789012345678901234567890';

/** What the schema makes of the text, or why it is refused. */
function read(schema: z.ZodType, json: string): unknown {
  try {
    const parsed = schema.safeParse(parseValue(schema, Buffer.from(json)));
    return parsed.success ? parsed.data : `SCHEMA_MISMATCH ${parsed.error.issues[0]!.path.join('.')}`;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return `${error.code} ${error.message.split(':')[0]}`;
  }
}

const rounded = (path: string) => `INEXACT_NUMBER ${path}`;
const a = (schema: z.ZodType) => z.object({ a: schema });

test.each<[string, object, string, unknown]>([
  [
    'zod 3, bigint',
    z3.object({ a: z3.bigint(), b: z3.array(z3.bigint()).optional() }),
    `{"a":5,"b":[${big}]}`,
    { a: 5n, b: [BigInt(big)] },
  ],
  ['zod 3, number', z3.object({ a: z3.number() }), `{"a":${big}}`, 'INEXACT_NUMBER a'],
  ['zod 3, text', z3.object({ a: z3.string() }), `{"a":${big}}`, { a: big }],
  [
    'zod 3, union of objects',
    z3.discriminatedUnion('k', [
      z3.object({ k: z3.literal('x'), a: z3.bigint() }),
      z3.object({ k: z3.literal('y'), a: z3.string() }),
    ]),
    `{"k":"x","a":${big}}`,
    { k: 'x', a: BigInt(big) },
  ],
  ['zod mini, bigint', mini.object({ a: mini.optional(mini.bigint()) }), '{"a":5}', { a: 5n }],
  ['zod mini, number', mini.object({ a: mini.number() }), `{"a":${big}}`, 'INEXACT_NUMBER a'],
])('a schema of another zod gets integers as it asks for them: %s', (_, schema, json, expected) => {
  expect(read(schema as z.ZodType, json)).toEqual(expected);
});

describe('an integer beyond 2^53', () => {
  test.each<[string, z.ZodType, string, unknown]>([
    ['is refused as a number', a(z.number()), `{"a":${big}}`, rounded('a')],
    ['is refused as a number, negative', a(z.number()), `{"a":-${big}}`, rounded('a')],
    ['is refused as a number with a zero fraction', a(z.number()), `{"a":${big}.0}`, rounded('a')],
    ['is refused behind whitespace', a(z.number()), `{"a" :\n\t${big}\r\n}`, rounded('a')],
    ['is taken as a number where a double is equal to it', a(z.number()), `{"a":${exact}}`, { a: 2 ** 53 }],
    ['is exact as a bigint', a(z.bigint()), `{"a":${big}}`, { a: 9007199254740993n }],
    ['is exact as a bigint, negative', a(z.bigint()), `{"a":-${huge}}`, { a: -BigInt(huge) }],
    ['is exact as a bigint with a zero fraction', a(z.bigint()), `{"a":${big}.00}`, { a: 9007199254740993n }],
    ['is exact as int64', a(z.int64()), '{"a":9223372036854775807}', { a: 9223372036854775807n }],
    ['is exact as a coerced bigint', a(z.coerce.bigint()), `{"a":${big}}`, { a: 9007199254740993n }],
    ['is its digits as a coerced text', a(z.coerce.string()), `{"a":${huge}}`, { a: huge }],
    [
      'is its digits as a coerced text, too where a double is equal to it',
      a(z.coerce.string()),
      '{"a":1000000000000000000000}',
      { a: '1000000000000000000000' },
    ],
    ['is its digits as a text', a(z.string()), `{"a":${big}}`, { a: big }],
    ['is its digits as a text, whether or not a double is equal to it', a(z.string()), `{"a":${exact}}`, { a: exact }],
    [
      'is its digits where text or a number is asked for',
      a(z.union([z.number(), z.string()])),
      `{"a":${big}}`,
      { a: big },
    ],
    [
      'is a bigint where a number or a bigint is asked for',
      a(z.union([z.number(), z.bigint()])),
      `{"a":${big}}`,
      { a: 9007199254740993n },
    ],
    [
      'goes through what wraps a schema',
      a(z.bigint().nullable().optional().default(1n).readonly()),
      `{"a":${big}}`,
      { a: 9007199254740993n },
    ],
    [
      'goes by what a transform is given',
      a(z.string().transform((text) => `<${text}>`)),
      `{"a":${big}}`,
      { a: `<${big}>` },
    ],
    [
      'goes by what a codec is given',
      a(z.codec(z.string(), z.bigint(), { decode: BigInt, encode: String })),
      `{"a":${big}}`,
      { a: 9007199254740993n },
    ],
    [
      'goes by what a pipe is given',
      a(z.coerce.string().pipe(z.coerce.bigint())),
      `{"a":${big}}`,
      { a: 9007199254740993n },
    ],
    ['is refused where a transform may do anything', a(z.any().transform(String)), `{"a":${big}}`, rounded('a')],
    [
      'is refused where a preprocessor may do anything',
      a(z.preprocess(String, z.string())),
      `{"a":${big}}`,
      rounded('a'),
    ],
    ['is refused where anything is taken', a(z.unknown()), `{"a":{"b":[1,${big}]}}`, rounded('a.b.1')],
    ['is refused where a catch would hide it', a(z.number().catch(0)), `{"a":${big}}`, rounded('a')],
    ['is refused as a date', a(z.coerce.date()), '{"a":1767225600000000001}', rounded('a')],
    ['is a wrong type where no number could stand', a(z.boolean()), `{"a":${big}}`, 'SCHEMA_MISMATCH a'],
    ['is a wrong type where an object is asked for', a(z.object({})), `{"a":${big}}`, 'SCHEMA_MISMATCH a'],
    [
      'is of no matter in a field that the schema drops',
      a(z.number()),
      `{"a":1,"b":${big},"c":[{"d":${big}}]}`,
      { a: 1 },
    ],
    [
      'is refused in a field that a loose schema keeps',
      z.looseObject({ a: z.number() }),
      `{"a":1,"b":${big}}`,
      rounded('b'),
    ],
    [
      'goes by the catchall',
      z.object({ a: z.number() }).catchall(z.bigint()),
      `{"a":1,"b":${big}}`,
      { a: 1, b: 9007199254740993n },
    ],
    ['is exact in an array', a(z.array(z.bigint())), `{"a":[1,${big}]}`, { a: [1n, 9007199254740993n] }],
    ['is refused in an array, by its index', a(z.array(z.number())), `{"a":[1,${big}]}`, rounded('a.1')],
    [
      'is exact in a tuple',
      a(z.tuple([z.number(), z.bigint()], z.string())),
      `{"a":[1,2,${big}]}`,
      { a: [1, 2n, big] },
    ],
    [
      'is exact in a record',
      a(z.record(z.string(), z.bigint())),
      `{"a":{"x":${big},"y":2}}`,
      { a: { x: 9007199254740993n, y: 2n } },
    ],
    [
      'is exact in both sides of an intersection',
      z.intersection(z.object({ a: z.bigint() }), z.object({ b: z.coerce.string() })),
      `{"a":${big},"b":${huge}}`,
      { a: 9007199254740993n, b: huge },
    ],
    ['is exact in any JSON, as text', a(z.json()), `{"a":{"b":[${big},1]}}`, { a: { b: [big, 1] } }],
    ['of equal keys only the last counts', a(z.number()), `{"a":${big},"a":5}`, { a: 5 }],
    ['of equal keys only the last counts, the other way round', a(z.number()), `{"a":5,"a":${big}}`, rounded('a')],
    ['of too many digits is refused', a(z.bigint()), `{"a":${'9'.repeat(257)}}`, rounded('a')],
    [
      'in a text is a text',
      a(z.string()),
      `{"a":"4929123412341234, ${big} and 1e999"}`,
      { a: `4929123412341234, ${big} and 1e999` },
    ],
    ['at the root is exact', z.bigint(), big, 9007199254740993n],
    ['beside a byte order mark is exact', a(z.bigint()), `\uFEFF{"a":${big}}`, { a: 9007199254740993n }],
  ])('%s', (_, schema, json, expected) => {
    expect(read(schema, json)).toEqual(expected);
  });

  test('the reason says what to do, and never quotes the number', () => {
    const json = Buffer.from(`{"a":{"account":${big}}}`);
    expect(() => parseValue(a(z.object({ account: z.number() })), json)).toThrow(
      'a.account: an integer beyond 2^53, which would be rounded; declare it as z.bigint() or z.coerce.string(), or send it as text',
    );
  });
});

describe('an integer that a double holds', () => {
  test.each<[string, z.ZodType, string, unknown]>([
    ['is a bigint where only that is asked for', a(z.bigint()), '{"a":5}', { a: 5n }],
    ['is a bigint also as 5.0, as 5e2 and as -0', a(z.array(z.bigint())), '{"a":[5.0,5e2,-0]}', { a: [5n, 500n, 0n] }],
    ['stays a number where that is taken, too', a(z.union([z.bigint(), z.number()])), '{"a":5}', { a: 5 }],
    ['is a bigint before a text', a(z.union([z.string(), z.bigint()])), '{"a":5}', { a: 5n }],
    ['is no text', a(z.string()), '{"a":5}', 'SCHEMA_MISMATCH a'],
    ['with a fraction is no bigint', a(z.bigint()), '{"a":5.5}', 'SCHEMA_MISMATCH a'],
  ])('%s', (_, schema, json, expected) => {
    expect(read(schema, json)).toEqual(expected);
  });
});

describe('a number with a fraction or an exponent', () => {
  test.each<[string, z.ZodType, string, unknown]>([
    ['is rounded, as a measurement may be', a(z.number()), '{"a":0.30000000000000004321}', { a: 0.30000000000000004 }],
    ['is rounded with an exponent', a(z.number()), '{"a":1.2345678901234567e19}', { a: 1.2345678901234567e19 }],
    ['is no number when no double is so great', a(z.number()), '{"a":1e999}', 'SCHEMA_MISMATCH a'],
    ['is refused when no double is so great, where anything is taken', a(z.any()), '{"a":-1E+0400}', rounded('a')],
    ['is refused when no double is so great, as a coerced text', a(z.coerce.string()), '{"a":1e999}', rounded('a')],
    [
      'is refused when no double is so great, written without an exponent',
      a(z.any()),
      `{"a":${'9'.repeat(310)}.5}`,
      rounded('a'),
    ],
    ['is of no matter in a field that the schema drops', a(z.number()), '{"a":1,"b":1e999}', { a: 1 }],
    ['is no text when no double is so great', a(z.string()), '{"a":1e999}', 'SCHEMA_MISMATCH a'],
    ['passes near the greatest double', a(z.number()), '{"a":1.7e308}', { a: 1.7e308 }],
  ])('%s', (_, schema, json, expected) => {
    expect(read(schema, json)).toEqual(expected);
  });
});

describe('unions of objects', () => {
  const card = z.object({ type: z.literal('card'), id: z.bigint() });
  const cash = z.object({ type: z.literal('cash'), id: z.number() });
  test.each<[string, z.ZodType, string, unknown]>([
    [
      'a discriminated one goes by its option',
      z.discriminatedUnion('type', [cash, card]),
      `{"type":"card","id":${big}}`,
      { type: 'card', id: 9007199254740993n },
    ],
    [
      'a discriminated one refuses by its option',
      z.discriminatedUnion('type', [cash, card]),
      `{"type":"cash","id":${big}}`,
      rounded('id'),
    ],
    [
      'a small integer follows the option, too',
      z.discriminatedUnion('type', [cash, card]),
      '{"type":"cash","id":7}',
      { type: 'cash', id: 7 },
    ],
    [
      'a small integer follows the other option',
      z.discriminatedUnion('type', [cash, card]),
      '{"type":"card","id":7}',
      { type: 'card', id: 7n },
    ],
    [
      'a plain one goes by the option that accepts',
      z.union([z.object({ x: z.bigint(), p: z.string() }), z.object({ x: z.number() })]),
      '{"x":5}',
      { x: 5 },
    ],
    [
      'a plain one takes the exact option',
      z.union([z.object({ x: z.number() }), z.object({ x: z.bigint() })]),
      `{"x":${big}}`,
      { x: 9007199254740993n },
    ],
    [
      'a plain one refuses what fits only rounded',
      z.union([z.object({ x: z.number() }), z.object({ y: z.bigint() })]),
      `{"x":${big}}`,
      rounded('x'),
    ],
    [
      'one of bigint literals is told apart',
      z.union([z.object({ v: z.literal(1n), x: z.bigint() }), z.object({ v: z.literal(2n), x: z.string() })]),
      `{"v":2,"x":${big}}`,
      { v: 2n, x: big },
    ],
    ['none that fits is a wrong schema', z.union([card, cash]), '{"type":"coin","id":1}', 'SCHEMA_MISMATCH '],
  ])('%s', (_, schema, json, expected) => {
    expect(read(schema, json)).toEqual(expected);
  });

  test('recursive ones end, also where every level has several options', () => {
    const left = z.object({
      get next() {
        return either.optional();
      },
      a: z.bigint().optional(),
    });
    const right = z.object({
      get next() {
        return either.optional();
      },
      b: z.string().optional(),
    });
    const either: z.ZodType = z.union([z.strictObject({ no: z.bigint() }), left, right]);
    const nested = (depth: number): string => (depth === 0 ? `{"a":${big}}` : `{"next":${nested(depth - 1)}}`);
    expect(read(either, nested(2))).toEqual({ next: { next: { a: 9007199254740993n } } });
    const lazy: z.ZodType = z.lazy(() => z.object({ id: z.bigint(), child: lazy.optional() }));
    expect(read(lazy, `{"id":1,"child":{"id":${big}}}`)).toEqual({ id: 1n, child: { id: 9007199254740993n } });
  });
});

describe('the look at the text', () => {
  test.each([
    '{"a":1}',
    '{"card":"4929123412341234"}',
    '{"a":0.30000000000000004,"b":-12.345678901234567890}',
    '{"a":123456789012345}',
    '{"a":1e22,"b":2.5E-300}',
    '{"hash":"5f4dcc3b5aa765d61d8327deb882cf99"}',
  ])('passes %s', (json) => {
    expect(mayHoldBigIntegers(json)).toBe(false);
  });

  test('property: every integer is exact or kept as its literal, wherever it stands', () => {
    const space = fc.constantFrom('', ' ', '\n', '\t', '\r\n');
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
        space,
        space,
        fc.constantFrom('{"a":#}', '[#]', '[0,#,1]', '{"x":"","a":#,"b":2}', '#'),
        (integer, before, after, shape) => {
          const json = shape.replace('#', `${before}${integer}${after}`);
          const isSafe = Number.isSafeInteger(Number(integer)) && BigInt(Number(integer)) === integer;
          if (!isSafe) expect(mayHoldBigIntegers(json)).toBe(true);
          expect(parseWithNumberLiterals(json).found).toBe(!isSafe);
        },
      ),
    );
  });

  test('property: a text without such numbers is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (json) => {
        const { value, found } = parseWithNumberLiterals(json);
        if (!found) expect(value).toEqual(JSON.parse(json));
      }),
    );
  });
});
