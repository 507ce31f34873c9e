import { describe, expect, test } from 'vitest';
import { latencies, scoredRanges } from '../../bench/latency.ts';

describe('latencies', () => {
  const ranges = [
    { partition: 0, position: 10, end: 20, doneMs: 1_500 },
    { partition: 0, position: 0, end: 10, doneMs: 1_200 },
    { partition: 1, position: 0, end: 5, doneMs: 1_900 },
  ];

  test('run from when an event was due to the end of its range', () => {
    const events = [
      { partition: 0, offset: 9, dueMs: 1_000 },
      { partition: 0, offset: 10, dueMs: 1_100 },
      { partition: 1, offset: 4, dueMs: 1_300 },
    ];
    expect([...latencies(events, ranges)]).toEqual([200, 400, 600]);
  });

  test('are not guessed for an event that is in no range', () => {
    expect(() => latencies([{ partition: 1, offset: 5, dueMs: 0 }], ranges)).toThrow('offset 5 of partition 1');
    expect(() => latencies([{ partition: 2, offset: 0, dueMs: 0 }], ranges)).toThrow('partition 2');
  });
});

test('scored ranges come from the log lines that tell of them', () => {
  const lines = [
    { msg: 'scored', partition: '3', position: 0, end: 7, time: '2026-01-02T03:04:05.678Z' },
    { msg: 'waiting for kafka', partition: '3' },
  ];
  expect(scoredRanges(lines)).toEqual([
    { partition: 3, position: 0, end: 7, doneMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) },
  ]);
});
