import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { DatabaseError } from 'pg';
import { expect, test } from 'vitest';
import { toApplicationFailure } from '../../temporal/failure.ts';
import { HeadraceError } from '../../contracts/failures.ts';

const recorded = (error: unknown) =>
  JSON.stringify(new DefaultFailureConverter().errorToFailure(toApplicationFailure(error), defaultPayloadConverter));
const postgres = Object.assign(new DatabaseError('duplicate: secret', 10, 'error'), {
  code: '23505',
  severity: 'ERROR',
  detail: 'Key (id)=(secret) exists.',
});

test.each<[string, unknown, string]>([
  ['an error of Postgres', postgres, 'SQLSTATE 23505'],
  [
    'a parser that quotes its text',
    (() => {
      try {
        return JSON.parse('{secret}') as unknown;
      } catch (error) {
        return error;
      }
    })(),
    'SyntaxError',
  ],
  [
    'one of ours with such a cause',
    new HeadraceError('SINK_UNAVAILABLE', 'away', { cause: postgres }),
    'SINK_UNAVAILABLE: away',
  ],
  ['what is no error', 'secret', 'UNEXPECTED'],
])('Temporal records %s without a value of it', (_, error, text) => {
  expect(recorded(error)).toContain(text);
  expect(recorded(error)).not.toContain('secret');
});

test('what was not foreseen keeps its stack', () => {
  expect(recorded(postgres)).toContain('failure.test.ts');
});
