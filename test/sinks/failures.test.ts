import { expect, test } from 'vitest';
import { failureOf as kafkaFailure } from '../../sinks/kafka-failure.ts';
import { failureOf as postgresFailure } from '../../sinks/postgres-failure.ts';

/** As pg throws it. */
const postgresError = (code: string) =>
  Object.assign(new Error('Key (mail)=(ann@example.org)'), { code, severity: 'ERROR' });

test.each([
  ['Postgres', postgresFailure],
  ['Kafka', (error: unknown) => kafkaFailure('orders.decisions', error)],
])('a bug in the code of a sink in %s is not taken for a server that is away, and quotes nothing', (_, failureOf) => {
  const failure = failureOf(new TypeError("cannot read 'secret'"));
  expect(failure.code).toBe('SINK_BROKEN');
  expect(failure.message).not.toContain('secret');
  expect(failureOf(new Error('connect ECONNREFUSED')).code).toBe('SINK_UNAVAILABLE');
});

test.each([
  ['22003', 'SINK_REFUSED_ROW'],
  ['23505', 'SINK_REFUSED_ROW'],
  ['P0001', 'SINK_REFUSED_ROW'],
  ['22021', 'SINK_WRONG'],
  ['22P05', 'SINK_WRONG'],
  ['42501', 'SINK_WRONG'],
  ['42P01', 'SINK_WRONG'],
  ['53100', 'SINK_UNAVAILABLE'],
  ['57P01', 'SINK_UNAVAILABLE'],
])('SQLSTATE %s means %s, and nothing of the row is told', (code, expected) => {
  const failure = postgresFailure(postgresError(code));
  expect(failure.code).toBe(expected);
  if (!/^(53|57|42)/.test(code)) expect(failure.message).not.toContain('ann@');
});
