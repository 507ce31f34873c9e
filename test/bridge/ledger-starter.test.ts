import { describe, expect, test } from 'vitest';
import { withLedger } from '../../bridge/ledger-starter.ts';
import type { LastStarted, Starter } from '../../temporal/starter.ts';

const chain = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't', partition: 0 };
const gone = () => Promise.reject(new Error('no Postgres'));

function starterThatKnows(last: LastStarted | undefined): Starter {
  return {
    start: () => Promise.resolve({ kind: 'unknown', reason: 'x' }),
    lastStarted: () => Promise.resolve(last),
    explain: () => Promise.resolve(undefined),
  };
}

describe('the furthest batch of a chain', () => {
  test.each<[string, LastStarted | undefined, number | null, unknown]>([
    [
      'is behind the ledger when Temporal has forgotten its runs',
      undefined,
      40,
      { position: 40, end: 40, head: false },
    ],
    [
      'is behind the ledger when Temporal knows only earlier ones',
      { position: 10, end: 20, head: false },
      40,
      { position: 40, end: 40, head: false },
    ],
    [
      'is the run that Temporal knows when its range is not in the ledger yet',
      { position: 40, end: 50, head: false },
      40,
      { position: 40, end: 50, head: false },
    ],
    [
      'is the run that Temporal knows when the ledger has it too',
      { position: 40, end: 50, head: false },
      50,
      { position: 40, end: 50, head: false },
    ],
    [
      'is the first run while nothing was delivered',
      { position: 0, end: 5, head: true },
      null,
      { position: 0, end: 5, head: true },
    ],
    ['is none when neither knows the chain', undefined, null, undefined],
  ])('%s', async (_, last, end, expected) => {
    expect(await withLedger(starterThatKnows(last), () => Promise.resolve(end)).lastStarted(chain, 100)).toEqual(
      expected,
    );
  });

  test('waits for Postgres only when Temporal knows nothing', async () => {
    expect(
      await withLedger(starterThatKnows({ position: 7, end: 9, head: false }), gone).lastStarted(chain, 100),
    ).toEqual({ position: 7, end: 9, head: false });
    await expect(withLedger(starterThatKnows(undefined), gone).lastStarted(chain, 100)).rejects.toThrow('no Postgres');
  });
});
