import { describe, expect, test } from 'vitest';
import { simulateDays } from '../../../pipelines/fraud/simulator/simulate.ts';
import { bookWorld, createCustomers } from '../../../pipelines/fraud/simulator/world.ts';
import { canonicalLine, summarise } from './golden.ts';

describe('the simulator gives the data set of the Fraud Detection Handbook, to the last digit', () => {
  test('in a small world', () => {
    const small = summarise(simulateDays({ ...bookWorld, customers: 50, terminals: 100, days: 40, radius: 20 }));
    expect(small.scenarios.reduce((sum, count) => sum + count)).toBe(3_620);
    expect(small.hash).toBe('2fd73328e4943ba8ab9935af9d1c5c7fdd151712dd9f16deb884ed7107846b9b');
  });

  test('for its first customer', () => {
    const [{ x, y, meanAmount, rate }] = createCustomers(bookWorld) as [ReturnType<typeof createCustomers>[0]];
    expect([x, y, meanAmount, rate].map((value) => value.toFixed(6))).toEqual([
      '54.881350',
      '71.518937',
      '62.262521',
      '2.179533',
    ]);
  });

  test('on its first day, whether or not the world ever ends', () => {
    for (const days of [bookWorld.days, Infinity]) {
      const [firstDay] = simulateDays({ ...bookWorld, days });
      expect(firstDay).toHaveLength(9_488);
      expect(firstDay!.slice(0, 5).map((payment) => canonicalLine(payment).split(',').slice(0, 4).join(','))).toEqual([
        '31,596,3156,57.16',
        '130,4961,3412,81.51',
        '476,2,1365,146.00',
        '569,4128,8737,64.49',
        '634,927,9906,50.99',
      ]);
      expect(summarise([firstDay!]).hash).toBe('d748c0c08fc0e52ae2e44c20e053eda2ae7a211992abbc67c963038f79bea95e');
    }
  });

  test('over all its 183 days', () => {
    expect(summarise(simulateDays(bookWorld))).toEqual({
      hash: 'd6c1b4490b263c9af0b0c452fd14ddaa9502177b1f0f67bdfe2afe2112394d22',
      customers: 4_990,
      terminals: 10_000,
      scenarios: [1_739_474, 973, 9_077, 4_631],
      cents: 9_407_937_008,
      last: '15811197,3542,9849,23.59,0,0\n',
    });
  }, 120_000);
});
