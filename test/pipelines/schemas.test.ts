import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import * as mini from 'zod/mini';
import { z as z3 } from 'zod/v3';
import { jsonOfEvent } from '../../lib/plain-json.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import type { Pool } from '../../database/pool.ts';
import { decodeEvents } from '../../pipelines/decode-event.ts';
import { definePipeline, type PipelineDefinition } from '../../pipelines/define.ts';
import { schemaProblems } from '../../pipelines/schema-problems.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import { openDatabase } from '../database/open.ts';
import { LakeRig } from '../lake/lake-rig.ts';
import { decisionRow, deliveryOf } from '../sinks/rows.ts';

type AnyDefinition = PipelineDefinition<any, string, string>;

function pipelineOf(event: AnyDefinition['event'], parts: Partial<AnyDefinition> = {}): AnyPipeline {
  return definePipeline({
    name: 'orders',
    topic: { name: 'orders' },
    event,
    eventId: () => 'id',
    eventTimeMs: () => 1_760_000_000_000,
    entities: { all: () => 'all' },
    features: ({ count }) => ({ count: count({ entity: 'all', lengthMs: 1_000 }) }),
    model: { name: 'm', input: 'x', outputs: { y: 1 } },
    outcomes: ['fine'],
    decide: () => ({ outcome: 'fine', why: 'usual' }),
    sinks: [{ sink: 'lake' }],
    ...parts,
  }) as AnyPipeline;
}

function decode(pipeline: AnyPipeline, value: unknown) {
  return decodeEvents(
    pipeline,
    [
      {
        partition: 0,
        offset: 0,
        timestampMs: 1_760_000_000_000,
        key: null,
        value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
      },
    ],
    { clockMs: 1_760_000_000_000 },
  );
}

/** A schema of another library: what it makes of a value is all that it says. */
const foreign = (validate: (value: any) => any) => ({
  '~standard': { version: 1 as const, vendor: 'other', validate },
});

type Tree = { name: string; parts?: Tree[] };
const Tree: z.ZodType<Tree> = z.object({
  name: z.string(),
  get parts() {
    return z.array(Tree).optional();
  },
});
const Lazy: z.ZodType<Tree> = z.object({ name: z.string(), parts: z.lazy(() => Lazy.array()).optional() });
const OldTree: z3.ZodType<Tree> = z3.lazy(() => z3.object({ name: z3.string(), parts: z3.array(OldTree).optional() }));
const tree = { name: 'a', parts: [{ name: 'b', parts: [{ name: 'c' }] }, { name: 'd' }] };
const Loop: z.ZodType = z.lazy(() => z.union([z.string(), z.array(Loop)]));
/** Schemas that make themselves anew wherever they refer to themselves. */
const endless = (): z.ZodType =>
  z.object({ name: z.string(), left: z.lazy(endless).optional(), right: z.lazy(endless).optional() });
class Point {
  constructor(readonly x: number) {}
  get double() {
    return this.x * 2;
  }
}
const iso = '2026-01-02T03:04:05.006Z';
const isoToDate = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

/** A schema, an event of it, what every sink stores, and the columns of the lake with their values. */
const works: [
  name: string,
  schema: AnyDefinition['event'],
  value: unknown,
  stored: unknown,
  columns: Record<string, unknown>,
][] = [
  [
    'recursive by a getter',
    z.object({ root: Tree }),
    { root: tree },
    { root: tree },
    { field_root: JSON.stringify(tree) },
  ],
  ['recursive by z.lazy, at the top', Lazy, tree, tree, { field_name: 'a', field_parts: JSON.stringify(tree.parts) }],
  [
    'made anew wherever it refers to itself',
    z.object({ root: z.lazy(endless) }),
    { root: { name: 'a', left: { name: 'b' } } },
    { root: { name: 'a', left: { name: 'b' } } },
    { field_root: '{"name":"a","left":{"name":"b"}}' },
  ],
  [
    'a union that refers to itself',
    z.object({ a: Loop }),
    { a: ['x', ['y']] },
    { a: ['x', ['y']] },
    { field_a: '["x",["y"]]' },
  ],
  [
    'zod 3',
    z3.object({
      s: z3.string(),
      n: z3.number().int(),
      b: z3.boolean(),
      d: z3.coerce.date(),
      e: z3.enum(['p', 'q']),
      o: z3.string().nullish(),
      u: z3.union([z3.string(), z3.number()]),
      t: z3.string().transform(Number).pipe(z3.number()),
      l: z3.literal(5),
      br: z3.string().brand<'b'>(),
    }),
    { s: 'x', n: 1, b: true, d: iso, e: 'q', u: 2, t: '7', l: 5, br: 'y' },
    { s: 'x', n: 1, b: true, d: iso, e: 'q', u: 2, t: 7, l: 5, br: 'y' },
    {
      field_s: 'x',
      field_n: 1,
      field_b: true,
      field_d: '2026-01-02 03:04:05.006',
      field_e: 'q',
      field_o: null,
      field_u: '2',
      field_t: 7,
      field_l: 5,
      field_br: 'y',
    },
  ],
  ['zod 3, recursive', OldTree, tree, tree, { field_name: 'a', field_parts: JSON.stringify(tree.parts) }],
  [
    'zod 3, loose, with effects',
    z3
      .object({ a: z3.string().refine((text) => text.length > 0) })
      .passthrough()
      .superRefine(() => undefined),
    { a: 'x', more: 1 },
    { a: 'x', more: 1 },
    { field_a: 'x', other_fields: '{"more":1}' },
  ],
  [
    'zod 3, discriminated union',
    z3.discriminatedUnion('k', [
      z3.object({ k: z3.literal('a'), n: z3.number() }),
      z3.object({ k: z3.literal('b'), s: z3.string() }),
    ]),
    { k: 'a', n: 1 },
    { k: 'a', n: 1 },
    { field_k: 'a', field_n: 1, field_s: null },
  ],
  [
    'zod mini',
    mini.object({ a: mini.string(), n: mini.optional(mini.number()) }),
    { a: 'x' },
    { a: 'x' },
    { field_a: 'x', field_n: null },
  ],
  [
    'another library',
    foreign((value) => ({ value: { ...value, big: 5n } })),
    { a: 1 },
    { a: 1, big: '5' },
    { other_fields: '{"a":1,"big":"5"}' },
  ],
  [
    'bigints, maps and sets',
    z.object({
      id: z.coerce.bigint(),
      m: z.preprocess((o) => new Map(Object.entries(o as object)), z.map(z.string(), z.number())),
      s: z.array(z.string()).transform((list) => new Set(list)),
    }),
    { id: '9007199254740993', m: { a: 1 }, s: ['x', 'x'] },
    { id: '9007199254740993', m: [['a', 1]], s: ['x'] },
    { field_id: '9007199254740993', field_m: '[["a",1]]', field_s: '["x"]' },
  ],
  [
    'dates, by coercion, codec and transform',
    z.object({ c: z.coerce.date(), k: isoToDate, t: z.string().transform((text) => new Date(text)) }),
    { c: iso, k: iso, t: 'no date' },
    { c: iso, k: iso, t: null },
    { field_c: '2026-01-02 03:04:05.006', field_k: '2026-01-02 03:04:05.006', field_t: null },
  ],
  [
    'bytes and other typed arrays',
    z.object({
      b: z.string().transform((text) => Buffer.from(text)),
      u: z.string().transform((text) => new TextEncoder().encode(text)),
      f: z.array(z.number()).transform((list) => Float32Array.from(list)),
      l: z.string().transform((text) => BigInt64Array.of(BigInt(text))),
    }),
    { b: 'hi', u: 'hi', f: [1, 2.5], l: '7' },
    { b: 'aGk=', u: 'aGk=', f: [1, 2.5], l: ['7'] },
    { field_b: '"aGk="', field_f: '[1,2.5]', field_l: '["7"]' },
  ],
  [
    'class instances, patterns and nothing',
    z.object({
      p: z.number().transform((x) => new Point(x)),
      url: z.string().transform((text) => new URL(text)),
      r: z.string().transform((text) => new RegExp(text)),
      u: z.any().transform(() => undefined),
      f: z.any().transform(() => () => 1),
      n: z.number().transform(() => Number.NaN),
      i: z.number().transform(() => Infinity),
    }),
    { p: 1, url: 'http://a/b', r: 'x', u: 1, f: 1, n: 1, i: 1 },
    { p: { x: 1 }, url: 'http://a/b', r: '/x/', n: null, i: null },
    { field_p: '{"x":1}', field_url: '"http://a/b"', field_u: null, field_n: null },
  ],
  [
    'unions, intersections and tuples',
    z.intersection(
      z.object({ u: z.union([z.string(), z.number()]) }),
      z.object({
        t: z.tuple([z.string(), z.number()]).rest(z.boolean()),
        x: z.discriminatedUnion('k', [z.object({ k: z.literal('a') }), z.object({ k: z.literal('b'), v: z.number() })]),
      }),
    ),
    { u: 1, t: ['x', 1, true], x: { k: 'b', v: 2 } },
    { u: 1, t: ['x', 1, true], x: { k: 'b', v: 2 } },
    { field_u: '1', field_t: '["x",1,true]', field_x: '{"k":"b","v":2}' },
  ],
  [
    'any, unknown, records and z.json',
    z.object({ a: z.any(), u: z.unknown(), r: z.record(z.string(), z.number()), j: z.json() }),
    { a: [1, { b: null }], u: 'x', r: { k: 1 }, j: { deep: [true] } },
    { a: [1, { b: null }], u: 'x', r: { k: 1 }, j: { deep: [true] } },
    { field_a: '[1,{"b":null}]', field_u: '"x"', field_r: '{"k":1}', field_j: '{"deep":[true]}' },
  ],
  [
    'defaults, prefaults, catches, brands and read-only',
    z.object({
      d: z.number().default(5),
      p: z.string().prefault('x').brand<'p'>(),
      c: z.number().catch(-1),
      m: z.map(z.string(), z.number()).default(new Map([['k', 1]])),
      ro: z.array(z.string()).readonly(),
      s: z.success(z.number()),
      sb: z.stringbool(),
    }),
    { c: 'no number', ro: ['a'], s: 1, sb: 'yes' },
    { d: 5, p: 'x', c: -1, m: [['k', 1]], ro: ['a'], s: true, sb: true },
    { field_d: 5, field_p: 'x', field_c: -1, field_m: '[["k",1]]', field_s: true, field_sb: true },
  ],
  [
    'enums of numbers, literals of several kinds, templates',
    z.object({
      e: z.enum({ A: 1, B: 2 }),
      l: z.literal(['a', 1, null]),
      big: z.literal(10n).or(z.string().transform(BigInt)),
      t: z.templateLiteral(['id-', z.number()]),
      n: z.int(),
    }),
    { e: 2, l: 1, big: '10', t: 'id-7', n: 3 },
    { e: 2, l: 1, big: '10', t: 'id-7', n: 3 },
    { field_e: 2, field_l: '1', field_big: '"10"', field_t: 'id-7', field_n: 3 },
  ],
  [
    'a loose and a strict object',
    z.looseObject({ a: z.string(), s: z.strictObject({ n: z.number() }) }),
    { a: 'x', s: { n: 1 }, more: { y: [1] } },
    { a: 'x', s: { n: 1 }, more: { y: [1] } },
    { field_a: 'x', field_s: '{"n":1}', other_fields: '{"more":{"y":[1]}}' },
  ],
  [
    'a record at the top',
    z.record(z.string(), z.number()),
    { a: 1, b: 2 },
    { a: 1, b: 2 },
    { other_fields: '{"a":1,"b":2}' },
  ],
  ['anything at the top', z.any(), { a: 1 }, { a: 1 }, { other_fields: '{"a":1}' }],
  [
    'a transform at the top',
    z.object({ a: z.number() }).transform(({ a }) => new Point(a)),
    { a: 2 },
    { x: 2 },
    { other_fields: '{"x":2}' },
  ],
  [
    'a custom type',
    z.object({ c: z.custom<string>((value) => typeof value === 'string') }),
    { c: 'x' },
    { c: 'x' },
    { field_c: '"x"' },
  ],
  [
    'a transform over anything that makes a map',
    z.object({ a: z.any().overwrite(() => new Map([[1, 2]])) }),
    { a: 1 },
    { a: [[1, 2]] },
    { field_a: '[[1,2]]' },
  ],
  [
    'fields named toString, constructor-like and empty',
    z.object({ toString: z.string(), '': z.number(), 'with "quotes" and spaces': z.boolean() }),
    { toString: 'x', '': 1, 'with "quotes" and spaces': true },
    { toString: 'x', '': 1, 'with "quotes" and spaces': true },
    { field_toString: 'x', field_: 1 },
  ],
  [
    'fields that differ in case alone',
    z.object({ id: z.string(), ID: z.number() }),
    { id: 'x', ID: 1 },
    { id: 'x', ID: 1 },
    { field_id: 'x', field_ID_1: 1 },
  ],
  ['no field at all', z.object({}), { a: 1 }, {}, {}],
];

describe('a schema that is accepted', () => {
  let pool: Pool;
  let folder: string;
  beforeAll(async () => {
    ({ pool } = await openDatabase());
    folder = mkdtempSync(join(tmpdir(), 'headrace-schemas-'));
  }, 120_000);
  beforeEach(() => pool.query('truncate decisions, decision_minutes'));
  afterAll(async () => {
    await pool?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(works)('reaches every sink: %s', async (_, schema, value, stored, columns) => {
    const pipeline = pipelineOf(schema);
    expect(schemaProblems(pipeline)).toEqual([]);
    const {
      events: [decoded],
      rejections,
    } = decode(pipeline, value);
    expect(rejections).toEqual([]);
    const { event } = decoded!;
    expect(JSON.parse(jsonOfEvent(event, pipeline.event))).toEqual(stored);

    const row = decisionRow(0, { event });
    await createDashboardSink({ pool }).deliver(deliveryOf([row], pipeline), new AbortController().signal);
    expect((await pool.query('select event from decisions')).rows).toEqual([{ event: stored }]);

    const lake = await LakeRig.open();
    try {
      await lake.deliver(0, 1, { pipeline, row: () => ({ event }) });
      await lake.rollUpAll();
      expect(await lake.query('select * from lake')).toEqual([expect.objectContaining(columns)]);
    } finally {
      await lake.close();
    }
  });
});

describe('a schema that cannot work', () => {
  const asynchronous = async () => true;
  test.each<[string, AnyDefinition['event'], string]>([
    [
      'an asynchronous check',
      z.object({ account: z.string().refine(asynchronous) }),
      'event.account: its check or transform must not be asynchronous',
    ],
    [
      'an asynchronous transform, deep inside',
      z.object({ a: z.array(z.object({ b: z.string().transform(async (text) => text) })) }),
      'event.a[].b: its check or transform must not be',
    ],
    [
      'an asynchronous codec',
      z.object({ c: z.codec(z.string(), z.string(), { decode: async (text) => text, encode: (text) => text }) }),
      'event.c: its check',
    ],
    ['an asynchronous custom type', z.object({ c: z.custom(asynchronous) }), 'event.c: its check'],
    [
      'an asynchronous check of zod 3',
      z3.object({ a: z3.string().transform(async (text) => text) }),
      'event.a: its check',
    ],
    ['a promise', z.object({ p: z.promise(z.string()) }), 'event.p: z.promise() is asynchronous'],
    [
      'a date that is not coerced',
      z.object({ at: z.date() }),
      'event.at: z.date() fits no JSON value; use z.coerce.date()',
    ],
    ['a date of zod 3', z3.object({ at: z3.date().optional() }), 'event.at: z.date() fits no JSON value'],
    [
      'a map and a set',
      z.object({ m: z.map(z.string(), z.string()), s: z.set(z.string()).nullable() }),
      'event.m: z.map() fits no JSON value',
    ],
    ['a symbol and a file', z.object({ s: z.symbol(), f: z.file() }), 'event.f: z.file() fits no JSON value'],
    ['a list at the top', z.array(z.object({})), 'event: must give an object'],
    ['a text at the top', z.string(), 'event: must give an object'],
    [
      'a union of a text and a list at the top',
      z.union([z.string(), z.array(z.string())]),
      'event: must give an object',
    ],
  ])('is named: %s', (_, schema, problem) => {
    expect(schemaProblems(pipelineOf(schema)).join('\n')).toContain(problem);
  });

  test('is not named where a value that fits is possible', () => {
    const schema = z.object({
      either: z.union([z.string(), z.date()]),
      cast: z.coerce.date(),
      made: z
        .string()
        .transform((text) => new Date(text))
        .pipe(z.date()),
      usual: z.date().default(new Date()),
    });
    expect(schemaProblems(pipelineOf(schema))).toEqual([]);
  });

  test.each<[string, AnyDefinition['event']]>([
    ['zod 4', z.object({ a: z.string().superRefine(async () => undefined) })],
    ['zod 3', z3.object({ a: z3.string().refine(async () => true) })],
    ['a promise without async', z.object({ a: z.string().refine(() => Promise.resolve(true)) })],
    ['another library', foreign(async (value) => ({ value }))],
  ])('stops the pipeline when it shows itself only at work: %s', (_, schema) => {
    expect(() => decode(pipelineOf(schema), { a: 'x' })).toThrow(
      expect.objectContaining({ code: 'PIPELINE_WRONG', message: expect.stringContaining('asynchronous') as string }),
    );
  });
});

describe('what a schema gives', () => {
  test.each<[string, AnyDefinition['event'], unknown, RegExp]>([
    [
      'refers to itself',
      z.object({
        a: z.string().transform(() => {
          const loop: Record<string, unknown> = {};
          loop['self'] = loop;
          return loop;
        }),
      }),
      { a: 'secret' },
      /cannot be written as JSON \(TypeError\)/,
    ],
    [
      'is too deep',
      z.object({
        a: z.string().transform(() => {
          let deep: unknown = 1;
          for (let i = 0; i < 100_000; i++) deep = [deep];
          return deep;
        }),
      }),
      { a: 'secret' },
      /cannot be written as JSON \(RangeError\)/,
    ],
    [
      'refuses',
      z.object({
        a: z.string().transform((text) => ({
          toJSON() {
            throw new Error(text);
          },
        })),
      }),
      { a: 'secret' },
      /cannot be written as JSON \(Error\)/,
    ],
    ['is no object', z.any(), [1], /the schema gives no object/],
    ['is a map', z.any().transform(() => new Map()), { a: 'secret' }, /the schema gives no object/],
  ])('is a bad event, told without a value, when it %s', (_, schema, value, reason) => {
    const { rejections } = decode(pipelineOf(schema), value);
    expect(rejections).toEqual([expect.objectContaining({ code: 'BAD_EVENT', reason: expect.stringMatching(reason) })]);
    expect(JSON.stringify(rejections)).not.toContain('secret');
  });

  test('is refused by another library without its values', () => {
    const issues = [
      { message: 'Expected string but got "secret"', path: [{ key: 'a' }, 0], expected: 'string' },
      { message: 'secret' },
    ];
    expect(decode(pipelineOf(foreign(() => ({ issues }))), { a: 1 }).rejections).toEqual([
      expect.objectContaining({ code: 'SCHEMA_MISMATCH', reason: 'a.0: expected string; value: not accepted' }),
    ]);
  });
});

describe('functions of a pipeline', () => {
  test('that are asynchronous are named at once', () => {
    const late = (async () => 'x') as never;
    const define = () =>
      pipelineOf(z.object({}), {
        eventId: late,
        entities: { all: late },
        decide: late,
        sinks: [{ sink: 'lake', when: late }],
        review: { verdicts: ['a'], timeoutMs: 1, title: late, value: late },
        features: ({ value }) => ({ f: value(late) }),
      });
    for (const what of [
      'eventId',
      'entities.all',
      'decide',
      'sinks.lake.when',
      'review.title',
      'review.value',
      'features.f',
    ])
      expect(define).toThrow(`${what}: must not be asynchronous`);
  });

  test('that give a promise stop the pipeline, and its rejection ends nothing', () => {
    const pipeline = pipelineOf(z.object({}), { eventId: (() => Promise.reject(new Error('secret'))) as never });
    expect(() => decode(pipeline, {})).toThrow('PIPELINE_WRONG: eventId of pipeline "orders" is asynchronous');
  });
});
