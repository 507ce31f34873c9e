import { describe, expect, it } from 'vitest';
import type { BatchRun } from '../../contracts/batch-runs.ts';
import { batchWorkflowId, type Chain } from '../../contracts/event-key.ts';
import { checkChain, isBroken, supersededBy } from '../../ledger/check-chains.ts';
import type { LedgerChain } from '../../ledger/ranges.ts';

const chain: Chain = { deployment: 'd', pipeline: 'orders', epoch: 0, topic: 'orders', partition: 0 };
const run = (position: number, end: number, status = 'COMPLETED'): BatchRun => ({
  workflowId: batchWorkflowId(chain, position),
  runId: 'r',
  chain,
  position,
  end,
  count: 1,
  status,
  startedAtMs: 0,
});
const runsOf = (...runs: BatchRun[]) => ({
  at: async (_: Chain, position: number) => runs.find((each) => each.position === position),
});
const ledger = (more: Partial<LedgerChain> = {}): LedgerChain => ({
  chain,
  span: { from: 0, to: 100 },
  batches: 5,
  records: 100,
  doubled: 0,
  holes: [],
  moreHoles: 0,
  overlaps: [],
  moreOverlaps: 0,
  ...more,
});

describe('checkChain', () => {
  it('finds nothing wrong with a chain that is whole', async () => {
    const report = await checkChain(ledger(), runsOf(), 100);
    expect(report).toMatchObject({
      holes: [],
      overlaps: [],
      incomplete: [],
      unwritten: [],
      unexamined: [],
      committed: 100,
    });
    expect(isBroken(report)).toBe(false);
  });

  it('takes what is under way for no hole', async () => {
    const report = await checkChain(
      ledger({ holes: [{ from: 10, to: 30 }] }),
      runsOf(run(10, 18), run(18, 30, 'RUNNING')),
    );
    expect(report.unwritten.map(({ position }) => position)).toEqual([10, 18]);
    expect(isBroken(report)).toBe(false);
  });

  it('names the part of a hole that no batch has', async () => {
    const report = await checkChain(
      ledger({
        holes: [
          { from: 10, to: 30 },
          { from: 50, to: 60 },
        ],
      }),
      runsOf(run(10, 18)),
    );
    expect(report.holes).toEqual([
      { from: 18, to: 30 },
      { from: 50, to: 60 },
    ]);
    expect(isBroken(report)).toBe(true);
  });

  it.each(['TERMINATED', 'FAILED', 'CANCELLED', 'TIMED_OUT'])(
    'tells a batch there that ended as %s',
    async (status) => {
      const report = await checkChain(ledger({ holes: [{ from: 10, to: 30 }] }), runsOf(run(10, 30, status)));
      expect(report.incomplete).toEqual([run(10, 30, status)]);
      expect(report.holes).toEqual([]);
      expect(isBroken(report)).toBe(true);
    },
  );

  it('tells a batch that reaches over the hole', async () => {
    const report = await checkChain(ledger({ holes: [{ from: 10, to: 30 }] }), runsOf(run(10, 35)));
    expect(report.overlaps).toEqual([{ from: 30, to: 35 }]);
  });

  it('takes overlaps for no harm, and holes that were not read for one', async () => {
    expect(
      isBroken(await checkChain(ledger({ overlaps: [{ from: 10, to: 20 }], moreOverlaps: 5, doubled: 7 }), runsOf())),
    ).toBe(false);
    expect(isBroken(await checkChain(ledger({ moreHoles: 1 }), runsOf()))).toBe(true);
  });

  it('tells records that were committed and never started', async () => {
    const report = await checkChain(ledger(), runsOf(run(100, 110, 'RUNNING')), 130);
    expect(report.skipped).toEqual({ from: 110, to: 130 });
    expect(isBroken(report)).toBe(true);
  });

  it('takes a commit for right when batches under way reach it, and one further behind too', async () => {
    const scored = runsOf(run(100, 110, 'RUNNING'), run(110, 130, 'RUNNING'));
    expect(isBroken(await checkChain(ledger(), scored, 130))).toBe(false);
    expect(isBroken(await checkChain(ledger(), scored, 90))).toBe(false);
    expect(isBroken(await checkChain(ledger(), scored, null))).toBe(false);
  });

  it('looks up so many batches and says what it left out', async () => {
    let asked = 0;
    const report = await checkChain(ledger({ holes: [{ from: 0, to: 10_000 }] }), {
      at: async (_, position) => (asked++, run(position, position + 1)),
    });
    expect(asked).toBe(200);
    expect(report.unexamined).toEqual([{ from: 200, to: 10_000 }]);
    expect(isBroken(report)).toBe(true);
  });

  it('ends at a run that says nothing of its range', async () => {
    expect((await checkChain(ledger({ holes: [{ from: 10, to: 30 }] }), runsOf(run(10, 10)))).holes).toEqual([
      { from: 10, to: 30 },
    ]);
  });
});

describe('supersededBy', () => {
  it('says which chains a newer epoch of their topic has replaced', () => {
    const other = { ...chain, pipeline: 'returns' };
    const isMoot = supersededBy([ledger({ chain: { ...chain, epoch: 1 } })]);
    expect([chain, other, { ...chain, epoch: 1 }, { ...chain, epoch: 2 }].map(isMoot)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(supersededBy([ledger()])(chain)).toBe(false);
  });
});
