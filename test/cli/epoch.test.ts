import { expect, test } from 'vitest';
import { registerEpoch } from '../../cli/epoch.ts';
import { runCommand } from './run-command.ts';

test.each(['banana', '-1', '1.5', ''])(
  'a start at "%s" is refused with all that may be said instead',
  async (start) => {
    const args = ['epoch', 'bump', '--pipeline', 'p', '--partition', '0', `--start=${start}`];
    const { error } = await runCommand(registerEpoch, args);
    expect(error?.message).toMatch('it must be earliest, latest or an offset from 0 on.');
  },
);

test('a partition that is no number is refused', async () => {
  const { error } = await runCommand(registerEpoch, ['epoch', 'bump', '--pipeline', 'p', '--partition', 'x']);
  expect(error?.message).toMatch('it must be a whole number from 0 on.');
});
