import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatNumber, formatResults, quantile } from '../../bench/figures.ts';

describe('quantile', () => {
  test('is the smallest sample that the share of samples does not exceed', () => {
    const samples = Float64Array.from([5, 1, 4, 2, 3, 6, 7, 8, 9, 10]);
    expect(quantile(samples, 0.5)).toBe(5);
    expect(quantile(samples, 0.99)).toBe(10);
    expect(quantile(samples, 0.01)).toBe(1);
    expect(quantile(samples, 1)).toBe(10);
  });

  test('holds for any samples, and leaves them in their order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer(), { minLength: 1 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (values, share) => {
          const samples = Float64Array.from(values);
          const found = quantile(samples, share);
          expect([...samples]).toEqual(values);
          expect(values).toContain(found);
          expect(values.filter((value) => value <= found).length).toBeGreaterThanOrEqual(share * values.length - 1e-9);
          expect(values.filter((value) => value < found).length).toBeLessThan(share * values.length);
        },
      ),
    );
  });

  test('knows nothing without samples', () => {
    expect(quantile(new Float64Array(), 0.5)).toBeNaN();
  });
});

test('numbers keep three digits, and all before the point', () => {
  expect([0, 0.01234, 1.2345, 12.345, 123.45, 15_678.9, Number.NaN].map(formatNumber)).toEqual([
    '0',
    '0.0123',
    '1.23',
    '12.3',
    '123',
    '15,679',
    'unknown',
  ]);
});

test('the table has one line a figure under the name of its bench', () => {
  const text = formatResults([
    {
      bench: 'one',
      figures: [
        { name: 'speed', value: 1_500, unit: 'events/s' },
        { name: 'a ratio', value: 0.5, unit: '' },
      ],
    },
    { bench: 'two', figures: [{ name: 'latency', value: 3.25, unit: 'ms' }] },
  ]);
  expect(text.split('\n')).toEqual([
    'one',
    '  speed           1,500 events/s',
    '  a ratio           0.5',
    '',
    'two',
    '  latency          3.25 ms',
  ]);
});
