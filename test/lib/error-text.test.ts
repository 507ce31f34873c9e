import { DatabaseError } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fetchFailure, framesOf, fullMessageOf, isProgrammingError, messageOf } from '../../lib/error-text.ts';

/** Whatever a statement throws. */
function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it throws nothing');
}

const postgres = Object.assign(new DatabaseError('duplicate key value: secret', 10, 'error'), {
  code: '23505',
  severity: 'ERROR',
  detail: 'Key (event_id)=(secret) already exists.',
  where: 'COPY decisions, line 1: secret',
  table: 'decisions',
  column: undefined,
  constraint: 'decisions_pkey',
});

describe('the text of an error', () => {
  test.each<[string, unknown, RegExp]>([
    ['Postgres', postgres, /^Postgres answers SQLSTATE 23505, table decisions, constraint decisions_pkey$/],
    [
      'Postgres, of a table',
      Object.assign(new DatabaseError('relation "decisions" does not exist', 10, 'error'), {
        code: '42P01',
        severity: 'ERROR',
        routine: 'parserOpenTable',
      }),
      /^relation "decisions" does not exist \(SQLSTATE 42P01\)$/,
    ],
    [
      'a trigger that says what it likes',
      Object.assign(new DatabaseError('secret', 10, 'error'), {
        code: '42501',
        severity: 'ERROR',
        routine: 'exec_stmt_raise',
      }),
      /^Postgres answers SQLSTATE 42501$/,
    ],
    ['JSON.parse', thrownBy(() => JSON.parse('{"name": secret}')), /^SyntaxError/],
    ['BigInt', thrownBy(() => BigInt('secret')), /^SyntaxError/],
    [
      'a missing function',
      thrownBy(() => (({ secret: 1 }) as any).secret()),
      /^TypeError at lib\/error-text\.test\.ts:\d+$/,
    ],
    [
      'Node, that shows what it got',
      thrownBy(() => Buffer.from(new (class secret {})() as never)),
      /^TypeError ERR_INVALID_ARG_TYPE/,
    ],
    [
      'a stack that ran over',
      thrownBy(function recurse(): unknown {
        return [recurse()];
      }),
      /^RangeError: Maximum call stack size exceeded/,
    ],
    [
      'zod',
      thrownBy(() => z.object({ a: z.string({ error: ({ input }) => String(input) }) }).parse({ a: 5, secret: 1 })),
      /^ZodError/,
    ],
    ['what is no error', 'secret', /^what was thrown is no error \(string\)$/],
    [
      'several at once',
      new AggregateError([new Error('connect ECONNREFUSED ::1:1'), postgres], ''),
      /^connect ECONNREFUSED ::1:1; Postgres answers SQLSTATE 23505/,
    ],
    [
      'fetch',
      new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') }),
      /^TypeError: fetch failed.*; connect ECONNREFUSED 127\.0\.0\.1:1$/,
    ],
    ['a server that is away', new Error('connect ECONNREFUSED 127.0.0.1:1'), /^connect ECONNREFUSED 127\.0\.0\.1:1$/],
  ])('of %s tells what it is, and quotes nothing', (_, thrown, text) => {
    expect(messageOf(thrown)).toMatch(text);
    expect(messageOf(thrown)).not.toContain('secret');
    if (thrown instanceof Error) expect(framesOf(thrown)).not.toContain('secret(');
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a symbol', Symbol('x')],
    ['an object without a text', Object.create(null)],
    ['a message that is no text', Object.assign(new Error('x'), { message: { a: 1 } })],
    [
      'a message that throws',
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('y');
        },
      }),
    ],
    [
      'a cause that throws',
      Object.defineProperty(new Error('x'), 'cause', {
        get: () => {
          throw new Error('y');
        },
      }),
    ],
    ['several that are none', Object.assign(new AggregateError([], ''), { errors: null })],
  ])('of %s is one, too', (_, thrown) => {
    for (const text of [messageOf(thrown), fullMessageOf(thrown), fetchFailure(thrown)])
      expect(text).toEqual(expect.any(String));
  });

  test('in full quotes what it will', () => {
    expect([new SyntaxError('Unexpected token'), 'a text', null].map(fullMessageOf)).toEqual([
      'Unexpected token',
      'a text',
      'null',
    ]);
  });

  test('of fetch is that of its cause, also where several addresses were tried', () => {
    expect(
      fetchFailure(
        new TypeError('fetch failed', {
          cause: new AggregateError(
            [new Error('connect ECONNREFUSED ::1:1'), new Error('connect ECONNREFUSED 127.0.0.1:1')],
            '',
          ),
        }),
      ),
    ).toBe('connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1');
    expect(
      fetchFailure(Object.assign(new Error('The operation was aborted due to timeout'), { name: 'TimeoutError' })),
    ).toBe('The operation was aborted due to timeout');
  });

  test('has frames without the message, also one of several lines', () => {
    const error = new Error('secret\n    at secret');
    expect(framesOf(error)).not.toContain('secret\n');
    expect(framesOf(error).split('\n')[0]).toMatch(/error-text\.test\.ts/);
  });
});

test('a bug is no server that is away', () => {
  expect(
    [new TypeError('x'), new RangeError('x'), thrownBy(() => (undefined as any).x)].every(isProgrammingError),
  ).toBe(true);
  expect(
    [
      new Error('x'),
      new TypeError('fetch failed'),
      postgres,
      'x',
      Object.assign(new Error('x'), { code: 'ENOSPC' }),
    ].some(isProgrammingError),
  ).toBe(false);
});
