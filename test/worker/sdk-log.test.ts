import { Runtime } from '@temporalio/worker';
import { afterEach, expect, test, vi } from 'vitest';
import type { Logger } from '../../lib/log.ts';
import { installRuntime } from '../../worker/sdk-log.ts';

/** A log that takes lines from a level on. */
function logFrom(least: string) {
  const levels = ['trace', 'debug', 'info', 'warn', 'error'];
  const lines: [string, object, string][] = [];
  const write = Object.fromEntries(
    levels.map((level) => [level, (fields: object, message: string) => void lines.push([level, fields, message])]),
  );
  return {
    lines,
    log: {
      ...write,
      isLevelEnabled: (level: string) => levels.indexOf(level) >= levels.indexOf(least),
    } as unknown as Logger,
  };
}

afterEach(async () => Runtime.instance().shutdown());

test('lines of the SDK reach our log at their level, without what would bury the rest', async () => {
  const { lines, log } = logFrom('info');
  const { logger } = installRuntime(log);
  logger.error('gone wrong', {
    error: new Error('why'),
    taskToken: 'token',
    namespace: 'n',
    taskQueue: 'q',
    workflowId: 'w',
  });
  await vi.waitFor(() =>
    expect(lines).toEqual([
      ['error', expect.objectContaining({ workflowId: 'w', err: new Error('why') }), 'gone wrong'],
    ]),
  );
  for (const name of ['taskToken', 'namespace', 'taskQueue']) expect(lines[0]![1]).not.toHaveProperty(name);
});

test.each([
  ['info', ['warn', 'error']],
  ['debug', ['debug', 'debug', 'warn', 'error']],
])('at level %s our log takes what the SDK says', async (least, expected) => {
  const { lines, log } = logFrom(least);
  const { logger } = installRuntime(log);
  for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level](level);
  await vi.waitFor(() =>
    expect(lines.map(([level]) => level).filter((level) => log.isLevelEnabled(level))).toEqual(expected),
  );
});
