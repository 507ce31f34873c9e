import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { OpenBatches } from '../../bridge/open-batches.ts';
import { until } from '../live/wait.ts';
import { instantClock } from './fakes.ts';

describe('OpenBatches', () => {
  test('lets the waiting go when there is room again, and keeps no listener on their signals', async () => {
    let count = 5;
    let polls = 0;
    const openBatches = new OpenBatches(
      instantClock,
      () => Promise.resolve(count),
      5,
      () => polls++,
    );
    const watching = openBatches.watch();
    try {
      await until('counted', () => polls > 0, { everyMs: 1 });
      const { signal } = new AbortController();
      const admitted = [openBatches.admit(signal), openBatches.admit(signal)];
      expect(getEventListeners(signal, 'abort')).toHaveLength(2);
      count = 4;
      await Promise.all(admitted);
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    } finally {
      openBatches.stop();
      await watching;
    }
  });

  test('an aborted signal ends the wait and leaves nothing behind', async () => {
    let polls = 0;
    const openBatches = new OpenBatches(
      instantClock,
      () => Promise.resolve(5),
      5,
      () => polls++,
    );
    const watching = openBatches.watch();
    try {
      await until('counted', () => polls > 0, { everyMs: 1 });
      const abandoned = new AbortController();
      const admitted = openBatches.admit(abandoned.signal);
      abandoned.abort();
      await admitted;
      expect(getEventListeners(abandoned.signal, 'abort')).toEqual([]);
    } finally {
      openBatches.stop();
      await watching;
    }
  });
});
