import { describe, expect, test } from 'vitest';
import {
  examineRefusal,
  newSearch,
  noteAccepted,
  type Search,
  type SinkEvidence,
} from '../../../sinks/policy/examine-refusal.ts';
import type { AdmittedTry } from '../../../sinks/policy/sink-guard.ts';
import { parseEventKey } from '../../../contracts/event-key.ts';
import { HeadraceError } from '../../../contracts/failures.ts';
import { decisionRow, deliveryOf } from '../rows.ts';

const signal = new AbortController().signal;
const rowsOf = (...offsets: number[]) => offsets.map((offset) => decisionRow(offset));
const refusal = () => new HeadraceError('SINK_REFUSED_ROW', 'Postgres answers SQLSTATE 23514, constraint c');

/** A sink that says of each row whether it takes it, and what one worker knows of it. */
class Sink {
  refuses: (offset: number) => boolean = () => false;
  /** What a probe says when no row is known: whether the sink holds one. */
  holdsRows = false;
  readonly taken = new Set<number>();
  readonly calls: string[] = [];
  failures: unknown[] = [];
  successes = 0;
  evidence: SinkEvidence = { accepted: 0, blamedInARow: 0 };
  readonly #searches = new Map<string, Search>();

  readonly #admitted: AdmittedTry = {
    deliver: ({ rows }) => {
      this.calls.push(`deliver ${rows.map(({ offset }) => offset).join()}`);
      if (rows.some(({ offset }) => this.refuses(offset))) return Promise.reject(refusal());
      for (const { offset } of rows) this.taken.add(offset);
      return Promise.resolve();
    },
    probe: (_, known) => {
      const offset = known?.rows[0]!.offset;
      this.calls.push(`probe ${offset ?? 'any'}`);
      if (offset !== undefined && this.refuses(offset)) return Promise.reject(refusal());
      return Promise.resolve(known !== undefined || this.holdsRows);
    },
    failed: (error) => void this.failures.push(error),
    succeeded: () => void this.successes++,
  };

  /** Delivers a batch as the activity does; returns the offsets that are blamed. */
  async deliver(...offsets: number[]): Promise<number[]> {
    const delivery = deliveryOf(rowsOf(...offsets));
    const key = offsets.join();
    if (!this.#searches.has(key)) {
      try {
        await this.#admitted.deliver(delivery, signal);
        noteAccepted(this.evidence, delivery);
        return [];
      } catch (error) {
        this.#searches.set(key, newSearch((error as HeadraceError).detail));
      }
    }
    const search = this.#searches.get(key)!;
    const blamed = await examineRefusal({
      sink: 's',
      admitted: this.#admitted,
      delivery,
      evidence: this.evidence,
      search,
      signal,
    });
    return [...blamed.keys()].map((eventKey) => parseEventKey(eventKey).offset).sort((a, b) => a - b);
  }
}

describe('a row that is alone in its batch', () => {
  test('is blamed when the sink takes a row that it took before, right before and right behind it', async () => {
    const sink = new Sink();
    await sink.deliver(1);
    sink.refuses = (offset) => offset === 2;
    sink.calls.length = 0;
    expect(await sink.deliver(2)).toEqual([2]);
    expect(sink.calls.slice(-3)).toEqual(['probe 1', 'deliver 2', 'probe 1']);
    expect(sink.failures).toEqual([]);
  });

  test('is not blamed by a sink that has a constraint for all rows, however often it is tried; once that is gone it is delivered', async () => {
    const sink = new Sink();
    await sink.deliver(1);
    sink.refuses = () => true;
    for (let i = 0; i < 5; i++)
      await expect(sink.deliver(2)).rejects.toMatchObject({
        code: 'SINK_WRONG',
        message: expect.stringContaining('SQLSTATE 23514, constraint c') as string,
      });
    expect([sink.failures.length, sink.successes]).toEqual([5, 0]);
    sink.refuses = () => false;
    expect(await sink.deliver(2)).toEqual([]);
    expect([...sink.taken]).toEqual([1, 2]);
  });

  test('waits in a new worker until the sink takes some row', async () => {
    const sink = new Sink();
    sink.refuses = (offset) => offset === 2;
    await expect(sink.deliver(2)).rejects.toMatchObject({ code: 'SINK_WRONG' });
    await sink.deliver(3);
    expect(await sink.deliver(2)).toEqual([2]);
  });

  test('is blamed in a new worker by what the sink holds', async () => {
    const sink = new Sink();
    sink.refuses = (offset) => offset === 2;
    sink.holdsRows = true;
    expect(await sink.deliver(2)).toEqual([2]);
    expect(sink.calls).toContain('probe any');
  });

  test('is delivered when the sink refused it for a moment only', async () => {
    const sink = new Sink();
    await sink.deliver(1);
    let refusals = 2;
    sink.refuses = (offset) => offset === 2 && refusals-- > 0;
    expect(await sink.deliver(2)).toEqual([]);
    expect(sink.taken).toContain(2);
  });

  test('speaks against the sink after too many others in a row, until the sink takes a new one', async () => {
    const sink = new Sink();
    await sink.deliver(0);
    sink.refuses = (offset) => offset >= 1 && offset < 100;
    for (let offset = 1; offset <= 8; offset++) expect(await sink.deliver(offset)).toEqual([offset]);
    for (const offset of [9, 10])
      await expect(sink.deliver(offset)).rejects.toMatchObject({
        code: 'SINK_WRONG',
        message: expect.stringContaining('has refused 8 rows in a row') as string,
      });
    expect(sink.failures.length).toBe(2);
    await sink.deliver(100);
    expect(await sink.deliver(9)).toEqual([9]);
    expect(await sink.deliver(10)).toEqual([10]);
  });
});

describe('several rows', () => {
  test('that are all refused speak against the sink, until it takes rows of another batch', async () => {
    const sink = new Sink();
    await sink.deliver(0);
    sink.refuses = (offset) => offset >= 1 && offset <= 4;
    for (let i = 0; i < 3; i++)
      await expect(sink.deliver(1, 2, 3, 4)).rejects.toMatchObject({
        code: 'SINK_WRONG',
        message: expect.stringContaining('refuses all of 4 rows') as string,
      });
    await sink.deliver(5);
    expect(await sink.deliver(1, 2, 3, 4)).toEqual([1, 2, 3, 4]);
  });

  test('are not split while the sink refuses what it took before', async () => {
    const sink = new Sink();
    await sink.deliver(0);
    sink.refuses = () => true;
    sink.calls.length = 0;
    await expect(sink.deliver(1, 2, 3, 4)).rejects.toMatchObject({ code: 'SINK_WRONG' });
    expect(sink.calls).toEqual(['deliver 1,2,3,4', 'probe 0']);
  });

  test('are found in a new worker by their own neighbours', async () => {
    const sink = new Sink();
    sink.refuses = (offset) => offset <= 2;
    expect(await sink.deliver(0, 1, 2, 3)).toEqual([0, 1, 2]);
    expect([...sink.taken]).toEqual([3]);
  });

  test('are never blamed when the sink goes wrong in the midst of the search', async () => {
    const sink = new Sink();
    await sink.deliver(0);
    let left = 6;
    sink.refuses = (offset) => offset === 3 || left-- <= 0;
    await expect(sink.deliver(1, 2, 3, 4)).rejects.toMatchObject({ code: 'SINK_WRONG' });
    sink.refuses = (offset) => offset === 3;
    expect(await sink.deliver(1, 2, 3, 4)).toEqual([3]);
  });

  test('of a sink that has never taken any cost a bounded number of calls', async () => {
    const sink = new Sink();
    sink.refuses = () => true;
    await expect(sink.deliver(...Array.from({ length: 4_096 }, (_, i) => i))).rejects.toMatchObject({
      code: 'SINK_WRONG',
    });
    expect(sink.calls.length).toBeLessThan(150);
  });
});
