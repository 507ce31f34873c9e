import { describe, expect, test } from 'vitest';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { chainProblems, differences, recompute, type Found } from '../live/oracle.ts';
import { payment } from './load.ts';

const records = new Map<number, KafkaRecord[]>([
  [
    0,
    Array.from({ length: 500 }, (_, i) => ({
      offset: i,
      timestampMs: 0,
      key: null,
      value: Buffer.from(JSON.stringify(payment(i))),
    })),
  ],
]);
const expected = recompute('p', 't', records);
/** What a sink holds when all went well. */
const right: Found[] = [...expected.values()].map(({ weighted, ...rest }) => ({
  ...rest,
  y: Math.fround(weighted + 0.5),
  version: '1',
  outcome: 'approve',
}));

function changed(index: number, change: Partial<Found>): Found[] {
  return right.map((row, i) => (i === index ? { ...row, ...change } : row));
}

describe('the oracle', () => {
  test('finds nothing wrong with what is right', () => {
    expect(expected.size).toBe(500);
    expect(differences(expected, right)).toEqual([]);
  });

  test('counts what an account has done within the hour before', () => {
    // Every 211th event is of the same account, half a second apart each.
    expect(expected.get('test:p:0:t:0:422')?.features).toEqual([614, 3, 0 + 807 + 614]);
  });

  test.each<[string, Found[], string]>([
    ['a lost effect', right.slice(1), 'test:p:0:t:0:0: lost'],
    ['a second effect', [...right, right[7]!], 'test:p:0:t:0:7: twice'],
    [
      'an effect of no event',
      [...right, { ...right[0]!, eventKey: 'test:p:0:t:0:500' }],
      'test:p:0:t:0:500: not expected',
    ],
    ['another prediction', changed(3, { y: right[3]!.y + 1 }), 'test:p:0:t:0:3: y is'],
    ['the prediction of another version', changed(3, { version: '2' }), 'test:p:0:t:0:3: y is'],
    [
      'a feature that counts an event twice',
      changed(422, { features: [614, 4, 1_421] }),
      'test:p:0:t:0:422: features are',
    ],
    ['another outcome', changed(3, { outcome: 'block' }), 'test:p:0:t:0:3: outcome is block'],
    ['another event', changed(3, { eventId: 'e4' }), 'test:p:0:t:0:3: event id is e4'],
  ])('tells %s', (_, found, problem) => {
    expect(differences(expected, found)).toEqual([expect.stringContaining(problem)]);
  });

  test('knows what comes too late for windows, and tells what is marked wrongly', () => {
    const at = (offset: number, time: number) => ({
      offset,
      timestampMs: 0,
      key: null,
      value: Buffer.from(JSON.stringify({ id: `e${offset}`, account: 'a', amount: 1, at: time })),
    });
    const dayMs = 86_400_000;
    const log = recompute(
      'p',
      't',
      new Map([[0, [at(0, 10 * dayMs), at(1, 9 * dayMs), at(2, 9 * dayMs - 1), at(3, 9 * dayMs)]]]),
    );
    // The third one is late: it is not counted, not even for itself.
    expect([...log.values()].map(({ late, features }) => [late, features[1]])).toEqual([
      [false, 1],
      [false, 1],
      [true, 0],
      [false, 2],
    ]);
    const [first, , third] = [...log.values()].map(
      ({ weighted, late, ...rest }): Found => ({
        ...rest,
        y: Math.fround(weighted + 0.5),
        version: '1',
        outcome: 'approve',
        late,
      }),
    );
    expect(
      differences(new Map([[first!.eventKey, log.get(first!.eventKey)!]]), [{ ...first!, late: true, degraded: true }]),
    ).toEqual([expect.stringContaining(': is marked late'), expect.stringContaining(': is marked degraded')]);
    expect(differences(new Map([[third!.eventKey, log.get(third!.eventKey)!]]), [{ ...third!, late: false }])).toEqual([
      expect.stringContaining(': is not marked late'),
    ]);
  });

  test('tells holes and overlaps of a chain', () => {
    const range = (position: number, end: number) => ({ position, end });
    expect(chainProblems([range(5, 9), range(0, 5), range(9, 10)])).toEqual([]);
    expect(chainProblems([range(0, 5), range(6, 9)])).toEqual(['hole between 0-5 and 6']);
    expect(chainProblems([range(0, 5), range(4, 9)])).toEqual(['overlap between 0-5 and 4']);
  });
});
