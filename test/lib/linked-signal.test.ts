import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { withLinkedSignal } from '../../lib/linked-signal.ts';

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

describe('a signal of its own', () => {
  test('is aborted with its parent, with the same reason, for all that is under way', async () => {
    const parent = new AbortController();
    const works = Array.from({ length: 20 }, () => withLinkedSignal(parent.signal, untilAborted));
    parent.abort(new Error('the worker stops'));
    const results = await Promise.allSettled(works);
    expect(results.map((result) => result.status === 'rejected' && (result.reason as Error).message)).toEqual(
      Array.from({ length: 20 }, () => 'the worker stops'),
    );
  });

  test('is aborted from the beginning when its parent is', async () => {
    expect(
      await withLinkedSignal(AbortSignal.abort(new Error('over')), (signal) =>
        Promise.resolve((signal.reason as Error).message),
      ),
    ).toBe('over');
  });

  test('is aborted after its time, and its parent is not', async () => {
    const { signal: parent } = new AbortController();
    await expect(withLinkedSignal(parent, untilAborted, { timeoutMs: 1 })).rejects.toThrow('not done within 0.001 s');
    expect(parent.aborted).toBe(false);
  });

  test('is left alone once its work has ended', async () => {
    const parent = new AbortController();
    let kept: AbortSignal | undefined;
    await withLinkedSignal(parent.signal, (signal) => Promise.resolve((kept = signal)));
    parent.abort();
    expect(kept?.aborted).toBe(false);
  });

  test('leaves one listener on its parent, however many there were, and Node does not warn', async () => {
    const { signal: parent } = new AbortController();
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => void warnings.push(name);
    process.on('warning', onWarning);
    try {
      // As Temporal's client does for each call: it hangs a listener on the signal and leaves it there.
      for (let i = 0; i < 50; i++)
        await withLinkedSignal(parent, (signal) => Promise.resolve(signal.addEventListener('abort', () => {})));
      await Promise.all(Array.from({ length: 50 }, () => withLinkedSignal(parent, () => setImmediate())));
      expect(getEventListeners(parent, 'abort')).toHaveLength(1);
      // Warnings are told in a later turn.
      await setImmediate();
    } finally {
      process.off('warning', onWarning);
    }
    expect(warnings).toEqual([]);
  });
});
