import { describe, expect, test } from 'vitest';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { Ledger } from './ledger.ts';
import { Random } from './random.ts';

function topicOf(...ids: string[]): KafkaRecord[][] {
  return [ids.map((id, offset) => ({ offset, timestampMs: 0, key: null, value: Buffer.from(id) }))];
}
const idOf = ({ value }: KafkaRecord) => value?.toString();

describe('the ledger', () => {
  test('finds nothing wrong with acknowledged events that are there once, refused ones that are not, and unknown ones either way', () => {
    const ledger = new Ledger();
    ledger.note(['a', 'b'], 'ok');
    ledger.note(['c'], 'failed');
    ledger.note(['d', 'e'], 'unknown');
    expect(ledger.problems(topicOf('a', 'b', 'd', 'of-somebody-else'), idOf)).toEqual([]);
    expect([ledger.count(), ledger.count('ok'), ledger.count('unknown')]).toEqual([5, 2, 2]);
  });

  test('tells an acknowledged event that is missing or there twice, a refused one that is there, and an unknown one that is there twice', () => {
    const ledger = new Ledger();
    ledger.note(['a', 'b'], 'ok');
    ledger.note(['c'], 'failed');
    ledger.note(['d'], 'unknown');
    expect(ledger.problems(topicOf('b', 'b', 'c', 'd', 'd'), idOf)).toEqual([
      'a: acknowledged, and 0 times in the topic',
      'b: acknowledged, and 2 times in the topic',
      'c: refused, and in the topic',
      'd: sent once, and 2 times in the topic',
    ]);
  });

  test('takes no event twice', () => {
    const ledger = new Ledger();
    ledger.note(['a'], 'ok');
    expect(() => ledger.note(['a'], 'ok')).toThrow('a was produced before');
  });
});

describe('a schedule', () => {
  test('follows from its seed alone, and differs from the next one', () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      return [random.whole(0, 1_000), ...random.shuffle([1, 2, 3, 4, 5, 6, 7, 8]), random.fork().next()];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  test('draws every number of its range', () => {
    const random = new Random(1);
    const drawn = new Set(Array.from({ length: 200 }, () => random.whole(3, 6)));
    expect([...drawn].toSorted((a, b) => a - b)).toEqual([3, 4, 5, 6]);
  });
});
