import { describe, expect, it } from 'vitest';
import { collectNames, formatBytes, parseBytes, parseHours, parseRate } from '../../../cli/up/options.ts';
import { describeProgress } from '../../../cli/up/progress.ts';
import { withoutPassword } from '../../../cli/up/table.ts';

describe('options', () => {
  it.each([
    ['5GB', 5e9],
    ['500 MB', 5e8],
    ['1.5gb', 1.5e9],
    ['2GiB', 2 ** 31],
    ['1234', 1234],
    ['7B', 7],
  ])('reads the size %s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });
  it.each(['', 'much', '5 apples', '-1GB', 'GB'])('refuses the size "%s"', (text) => {
    expect(() => parseBytes(text)).toThrow(/such as 5GB/);
  });
  it.each([
    ['50', 50],
    ['0.5', 0.5],
    ['1e3', 1000],
  ])('reads the rate %s', (text, rate) => {
    expect(parseRate(text)).toBe(rate);
  });
  it.each(['', '0', '-3', 'fast', 'NaN', 'Infinity', '1e9'])('refuses the rate "%s"', (text) => {
    expect(() => parseRate(text)).toThrow(/events per second above 0/);
  });
  it('reads hours', () => {
    expect(['1', ' 24 '].map(parseHours)).toEqual([1, 24]);
  });
  it.each(['', '0', '0.5', '-1', '1h', '10001'])('refuses the hours "%s"', (text) => {
    expect(() => parseHours(text)).toThrow(/whole number of hours, 1/);
  });
  it('collects names', () => {
    expect(collectNames('c', collectNames('a, b', undefined))).toEqual(['a', 'b', 'c']);
    expect(() => collectNames(' , ', undefined)).toThrow(/name of a pipeline/);
  });
  it('writes sizes', () => {
    expect([0, 999, 1_000, 1_234_567, 5e9].map(formatBytes)).toEqual(['0 B', '999 B', '1.0 KB', '1.2 MB', '5.0 GB']);
  });
});

describe('what is shown', () => {
  it('hides passwords and nothing else', () => {
    expect(withoutPassword('postgresql://me:se:cret@host:5432/db')).toBe('postgresql://me:***@host:5432/db');
    expect(withoutPassword('postgres://me@host/db')).toBe('postgres://me@host/db');
  });
  it('says what, of how much and how long', () => {
    const step = { server: 'kafka', what: 'downloading', elapsedMs: 4_200 } as const;
    expect(describeProgress({ ...step, done: 120, total: 410, unit: 'files', expectedMs: 15_000 })).toBe(
      'kafka: downloading, 120 of 410 files, 4 s of about 15 s',
    );
    expect(describeProgress({ ...step, elapsedMs: 40_000, expectedMs: 15_000 })).toBe(
      'kafka: downloading, 40 s (usually about 15 s; this machine or its network is slower)',
    );
    expect(describeProgress({ ...step, done: 12, unit: 'modules' })).toBe('kafka: downloading, 12 modules, 4 s');
    expect(describeProgress({ ...step, elapsedMs: 0 })).toBe('kafka: downloading');
  });
});
