import { describe, expect, it } from 'vitest';
import type { BatchRun } from '../../contracts/batch-runs.ts';
import { batchWorkflowId, parseBatchId, type ChainRef } from '../../contracts/event-key.ts';
import { findIncomplete, type RunLists } from '../../temporal/incomplete-runs.ts';

const chain: ChainRef = { deployment: 'd', pipeline: 'orders', epoch: 1, topic: 'orders', layout: 0, chain: 0 };
/** Every run of one batch, the latest last: how it is, and when it closed. */
type Runs = [status: 'TERMINATED' | 'COMPLETED' | 'RUNNING', closedAtMs: number][];

/** A Temporal with these batches, a page of 200 at a time, which counts what it is asked. */
function temporalWith(batches: ReadonlyMap<string, Runs>) {
  const asked = { pages: 0, lists: 0, described: 0 };
  const all = [...batches]
    .flatMap(([workflowId, runs]) => runs.map(([status, closedAtMs]) => ({ workflowId, status, closedAtMs })))
    .toSorted((a, b) => b.closedAtMs - a.closedAtMs);
  const ended = all.filter(({ status }) => status === 'TERMINATED');
  const lists: RunLists = {
    async ended(page) {
      asked.pages++;
      const from = page ? Number(new TextDecoder().decode(page)) : 0;
      return {
        runs: ended.slice(from, from + 200),
        ...(from + 200 < ended.length && { next: new TextEncoder().encode(String(from + 200)) }),
      };
    },
    async well(workflowIds) {
      asked.lists++;
      return all.filter(({ workflowId, status }) => status !== 'TERMINATED' && workflowIds.includes(workflowId));
    },
    async incompleteAt(workflowId): Promise<BatchRun | undefined> {
      asked.described++;
      const [status] = batches.get(workflowId)!.at(-1)!;
      const { sequence, ...of } = parseBatchId(workflowId);
      return status === 'TERMINATED'
        ? { workflowId, runId: 'r', chain: of, sequence, ranges: [], positions: {}, status, startedAtMs: 0 }
        : undefined;
    },
  };
  return { lists, asked };
}

const never = () => false;
const batch = (sequence: number, runs: Runs, of = chain): [string, Runs] => [batchWorkflowId(of, sequence), runs];
const redriven = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    batch(i, [
      ['TERMINATED', 10_000 + i],
      ['COMPLETED', 100_000 + i],
    ]),
  );

describe('findIncomplete', () => {
  it('goes on behind thousands of re-driven runs, without describing one of them', async () => {
    const { lists, asked } = temporalWith(new Map([...redriven(3_000), batch(5_000, [['TERMINATED', 5]])]));
    expect(await findIncomplete(lists, 10, never)).toMatchObject({
      runs: [{ sequence: 5_000 }],
      more: false,
      unexamined: false,
    });
    expect(asked).toEqual({ pages: 16, lists: 16, described: 1 });
  });

  it('takes the run that closed last for the latest', async () => {
    const { lists } = temporalWith(
      new Map([
        batch(1, [
          ['TERMINATED', 1],
          ['RUNNING', Infinity],
        ]),
        batch(2, [
          ['COMPLETED', 1],
          ['TERMINATED', 2],
        ]),
        batch(3, [
          ['TERMINATED', 1],
          ['COMPLETED', 2],
          ['TERMINATED', 3],
        ]),
        batch(4, [
          ['TERMINATED', 1],
          ['TERMINATED', 2],
        ]),
      ]),
    );
    const { runs } = await findIncomplete(lists, 10, never);
    expect(runs.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual([2, 3, 4]);
  });

  it('believes the run and not the list, when the list is late', async () => {
    const { lists } = temporalWith(
      new Map([
        batch(1, [
          ['TERMINATED', 1],
          ['COMPLETED', 2],
        ]),
      ]),
    );
    expect(await findIncomplete({ ...lists, well: async () => [] }, 10, never)).toEqual({
      runs: [],
      more: false,
      unexamined: false,
    });
  });

  it('tells "there are more" from "not all could be looked at"', async () => {
    const lost = Array.from({ length: 30 }, (_, i) => batch(9_000 + i, [['TERMINATED', i]]));
    expect(await findIncomplete(temporalWith(new Map(lost)).lists, 30, never)).toMatchObject({
      runs: { length: 30 },
      more: false,
      unexamined: false,
    });
    expect(await findIncomplete(temporalWith(new Map(lost)).lists, 29, never)).toMatchObject({
      runs: { length: 29 },
      more: true,
      unexamined: false,
    });
    const { lists, asked } = temporalWith(new Map([...redriven(3_000), ...lost]));
    expect(await findIncomplete(lists, 10, never, { lookedAtMax: 1_000 })).toEqual({
      runs: [],
      more: false,
      unexamined: true,
    });
    expect(asked.pages).toBe(5);
    let nowMs = 0;
    expect(await findIncomplete(lists, 10, never, { lookingMaxMs: 300, nowMs: () => (nowMs += 100) })).toEqual({
      runs: [],
      more: false,
      unexamined: true,
    });
  });

  it('passes moot topics by, which must not take the place of others', async () => {
    const old = { ...chain, epoch: 0 };
    const moot = Array.from({ length: 500 }, (_, i) => batch(i, [['TERMINATED', 1_000 + i]], old));
    const { lists, asked } = temporalWith(new Map([...moot, batch(7, [['TERMINATED', 1]])]));
    expect(await findIncomplete(lists, 10, ({ epoch }) => epoch < 1)).toMatchObject({
      runs: [{ sequence: 7, chain: { epoch: 1 } }],
      more: false,
    });
    expect(asked.described).toBe(1);
  });
});
