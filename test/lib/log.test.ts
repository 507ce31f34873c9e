import { DatabaseError, type Pool } from 'pg';
import { expect, test } from 'vitest';
import { HeadraceError } from '../../contracts/failures.ts';
import { createLogger } from '../../lib/log.ts';
import { testGateway } from '../gateway/rig.ts';

const refused = () =>
  Object.assign(new DatabaseError('invalid input: secret', 10, 'error'), {
    code: '22P02',
    severity: 'ERROR',
    detail: 'Failing row contains (secret)',
    where: 'COPY decisions: secret',
  });

function captured() {
  const lines: string[] = [];
  return { lines, log: createLogger('test', 'debug', { write: (line) => void lines.push(line) }) };
}

test('a line says class, code and place of an error and its causes, and no value that they quote', () => {
  const { lines, log } = captured();
  const error = new HeadraceError('SINK_UNAVAILABLE', 'away', { cause: refused() });
  log.error({ err: error }, 'told');
  log.warn({ error: refused() }, 'told');
  log.error(refused());
  log.error({ err: refused() });
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(first).toMatchObject({
    msg: 'told',
    err: {
      type: 'HeadraceError',
      message: 'SINK_UNAVAILABLE: away',
      code: 'SINK_UNAVAILABLE',
      stack: expect.stringContaining('log.test.ts') as string,
      cause: { code: '22P02', message: 'Postgres answers SQLSTATE 22P02' },
    },
  });
  expect(second).toMatchObject({ error: { code: '22P02' } });
  expect(lines).toHaveLength(4);
  expect(lines.join()).not.toContain('secret');
});

test('the gateway says no more of what it did not foresee', async () => {
  const { lines, log } = captured();
  const gateway = await testGateway({ log, pool: { query: () => Promise.reject(refused()) } as unknown as Pool });
  try {
    const response = await gateway.inject('/v1/decisions/x');
    expect(response.statusCode).toBe(500);
    expect(lines.join()).toContain('SQLSTATE 22P02');
    expect(lines.join() + response.body).not.toContain('secret');
  } finally {
    await gateway.close();
  }
});
