import { describe, expect, it } from 'vitest';
import type { BatchRun } from '../../contracts/batch-runs.ts';
import { batchWorkflowId, type ChainRef, type PartitionRef } from '../../contracts/event-key.ts';
import type { CommitMetadata } from '../../contracts/schemas/commit-metadata.ts';
import { createPartitionCheck, isBroken, supersededBy } from '../../ledger/check-partitions.ts';
import type { LedgerHole, LedgerPartition } from '../../ledger/read-ledger.ts';
import { ledgerPartition } from './ledger-rig.ts';

const topic = { deployment: 'd', pipeline: 'orders', epoch: 0, topic: 'orders' };
const partition: PartitionRef = { ...topic, partition: 0 };
const inLayout = (layout: number, chain = 0): ChainRef => ({ ...topic, layout, chain });
type Range = [partition: number, position: number, end: number];

/** A batch of layout 0. */
const run = (sequence: number, ranges: Range[], status = 'COMPLETED', chain = inLayout(0)): BatchRun => ({
  workflowId: batchWorkflowId(chain, sequence),
  runId: 'r',
  chain,
  sequence,
  ranges: ranges.map(([of, position, end]) => ({ partition: of, position, end, count: 1 })),
  positions: {},
  status,
  startedAtMs: 0,
});
/** A Temporal with these runs, and what it was asked. */
function temporalWith(...runs: BatchRun[]) {
  const asked: string[] = [];
  const of = async (chain: ChainRef, sequence: number) => {
    const id = batchWorkflowId(chain, sequence);
    asked.push(`${chain.layout}.${chain.chain}:${sequence}`);
    return runs.find(({ workflowId }) => workflowId === id);
  };
  return { of, asked };
}
const ledger = (more: Partial<LedgerPartition> = {}): LedgerPartition =>
  ledgerPartition(partition, {
    span: { from: 0, to: 100 },
    last: { layout: 0, chain: 0, sequence: 9 },
    batches: 5,
    records: 100,
    ...more,
  });
/** Between two batches of chain 0. */
const hole = (from: number, to: number, before: [number, number], behind: [number, number]): LedgerHole => ({
  from,
  to,
  before: { layout: before[0], chain: 0, sequence: before[1] },
  behind: { layout: behind[0], chain: 0, sequence: behind[1] },
});
const metadata = (more: Partial<CommitMetadata>): CommitMetadata => ({ epoch: 0, layout: 0, chains: 1, ...more });

describe('the check of a partition', () => {
  it('finds nothing wrong with one that is whole, and asks for nothing', async () => {
    const temporal = temporalWith();
    const report = await createPartitionCheck(temporal)(ledger(), { offset: 100 });
    expect(report).toMatchObject({
      holes: [],
      overlaps: [],
      incomplete: [],
      unwritten: [],
      unexamined: [],
      committed: 100,
    });
    expect(isBroken(report)).toBe(false);
    expect(temporal.asked).toEqual([]);
  });

  it('takes what is under way for no hole: batches between the sequences around it, others passed by', async () => {
    const temporal = temporalWith(
      run(3, [
        [0, 10, 18],
        [1, 5, 6],
      ]),
      run(4, [[1, 6, 9]]),
      run(6, [[0, 18, 30]], 'RUNNING'),
    );
    const report = await createPartitionCheck(temporal)(ledger({ holes: [hole(10, 30, [0, 2], [0, 8])] }));
    expect(report.unwritten.map(({ sequence }) => sequence)).toEqual([3, 6]);
    expect(isBroken(report)).toBe(false);
    // That Temporal has none with the number 5 ends nothing, and what is whole again is looked for no further.
    expect(temporal.asked).toEqual(['0.0:3', '0.0:4', '0.0:5', '0.0:6']);
  });

  it('names the parts of a hole that no batch has', async () => {
    const temporal = temporalWith(run(3, [[0, 14, 18]]), run(4, [[0, 22, 24]]));
    const check = createPartitionCheck(temporal);
    const holes = [hole(10, 30, [0, 2], [0, 5]), hole(50, 60, [0, 6], [0, 7])];
    const report = await check(ledger({ holes }));
    expect(report.holes).toEqual([
      { from: 10, to: 14 },
      { from: 18, to: 22 },
      { from: 24, to: 30 },
      { from: 50, to: 60 },
    ]);
    // Between 6 and 7 there is none to ask for.
    expect(temporal.asked).toEqual(['0.0:3', '0.0:4']);
    expect(isBroken(report)).toBe(true);
  });

  it.each(['TERMINATED', 'FAILED', 'CANCELLED', 'TIMED_OUT'])(
    'tells a batch there that ended as %s',
    async (status) => {
      const lost = run(3, [[0, 10, 30]], status);
      const report = await createPartitionCheck(temporalWith(lost))(ledger({ holes: [hole(10, 30, [0, 2], [0, 4])] }));
      expect(report).toMatchObject({ incomplete: [lost], holes: [] });
      expect(isBroken(report)).toBe(true);
    },
  );

  it('looks on both sides of a change of layout: upwards as far as there are runs, and downwards to the first one', async () => {
    const temporal = temporalWith(
      run(8, [[0, 10, 15]]),
      run(1, [[0, 15, 25]], 'TERMINATED', inLayout(1)),
      run(0, [[0, 25, 30]], 'RUNNING', inLayout(1)),
    );
    const report = await createPartitionCheck(temporal)(ledger({ holes: [hole(10, 30, [0, 7], [1, 3])] }));
    expect(report).toMatchObject({ holes: [], unwritten: [{ sequence: 8 }, { sequence: 0 }], incomplete: [{}] });
    expect(temporal.asked).toEqual(['0.0:8', '0.0:9', '1.0:2', '1.0:1', '1.0:0']);
  });

  it('finds what was read again under later numbers, which lies before older batches', async () => {
    const temporal = temporalWith(run(51, [[0, 10, 20]], 'RUNNING'));
    const report = await createPartitionCheck(temporal)(ledger({ holes: [hole(10, 20, [0, 50], [0, 2])] }));
    expect(report).toMatchObject({ holes: [], unwritten: [{ sequence: 51 }] });
  });

  it('asks for each batch once, however many partitions it has', async () => {
    const lost: Range[] = [
      [0, 10, 20],
      [1, 10, 20],
    ];
    const temporal = temporalWith(run(3, lost, 'TERMINATED'));
    const check = createPartitionCheck(temporal);
    for (const of of [0, 1, 2]) {
      const report = await check(
        ledger({ partition: { ...topic, partition: of }, holes: [hole(10, 20, [0, 2], [0, 4])] }),
      );
      expect(report.incomplete).toHaveLength(of < 2 ? 1 : 0);
    }
    expect(temporal.asked).toEqual(['0.0:3']);
  });

  it('knows a batch that was found otherwise, however many others lie around it', async () => {
    const temporal = temporalWith();
    const known = [
      run(5_000, [[0, 10, 20]], 'TERMINATED'),
      run(1, [[0, 10, 20]], 'FAILED', { ...inLayout(0), epoch: 3 }),
    ];
    const report = await createPartitionCheck(temporal, known)(ledger({ holes: [hole(10, 20, [0, 2], [0, 9_000])] }));
    expect(report).toMatchObject({ incomplete: [known[0]], holes: [], unexamined: [] });
    expect(temporal.asked).toEqual([]);
  });

  it('tells a batch that reaches over the hole, on either side', async () => {
    const check = createPartitionCheck(temporalWith(run(3, [[0, 8, 35]])));
    expect((await check(ledger({ holes: [hole(10, 30, [0, 2], [0, 4])] }))).overlaps).toEqual([
      { from: 8, to: 10 },
      { from: 30, to: 35 },
    ]);
  });

  it('takes overlaps for no harm, and holes that were not read for one', async () => {
    const check = createPartitionCheck(temporalWith());
    expect(isBroken(await check(ledger({ overlaps: [{ from: 10, to: 20 }], moreOverlaps: 5, doubled: 7 })))).toBe(
      false,
    );
    expect(isBroken(await check(ledger({ moreHoles: 1 })))).toBe(true);
  });

  it('tells records that were committed and never started', async () => {
    const report = await createPartitionCheck(temporalWith(run(10, [[0, 100, 110]], 'RUNNING')))(ledger(), {
      offset: 130,
    });
    expect(report.skipped).toEqual({ from: 110, to: 130 });
    expect(isBroken(report)).toBe(true);
  });

  it('takes a commit for right when batches under way reach it, and one further behind too', async () => {
    const check = createPartitionCheck(
      temporalWith(run(10, [[0, 100, 110]], 'RUNNING'), run(11, [[0, 110, 130]], 'RUNNING')),
    );
    for (const commit of [{ offset: 130, metadata: metadata({ sequence: 11 }) }, { offset: 130 }, { offset: 90 }, null])
      expect(isBroken(await check(ledger(), commit))).toBe(false);
  });

  it('finds the batch of a partition that was silent while others had thousands, most of which Temporal has forgotten', async () => {
    const others = Array.from({ length: 500 }, (_, i) => ({
      ...run(4_600 + i, [[1, i, i + 1]]),
      positions: { 0: 100 },
    }));
    const own = { ...run(4_700, [[0, 100, 130]], 'RUNNING'), positions: { 0: 130 } };
    const behind = others.slice(101).map((each) => ({ ...each, positions: { 0: 130 } }));
    const temporal = temporalWith(...others.slice(0, 100), own, ...behind);
    const underWay = await createPartitionCheck(temporal)(ledger(), {
      offset: 130,
      metadata: metadata({ sequence: 4_700 }),
    });
    expect(temporal.asked).toEqual(['0.0:4700']);
    const inHole = await createPartitionCheck(temporal)(ledger({ holes: [hole(100, 130, [0, 9], [0, 5_100])] }));
    for (const report of [underWay, inHole]) {
      expect(report.unwritten).toEqual([own]);
      expect(isBroken(report)).toBe(false);
    }
    expect(temporal.asked.length).toBeLessThan(20);
  });

  it('asks for each batch where what Temporal has forgotten leads astray', async () => {
    const open = run(12, [[0, 10, 30]], 'RUNNING');
    const report = await createPartitionCheck(temporalWith(open))(ledger({ holes: [hole(10, 30, [0, 2], [0, 90])] }));
    expect(report.unwritten).toEqual([open]);
  });

  it('looks for what is committed under a newer layout in that one, too', async () => {
    const chain = inLayout(2, 1);
    const check = createPartitionCheck(
      temporalWith(run(0, [[3, 100, 110]], 'RUNNING', chain), run(1, [[3, 110, 130]], 'RUNNING', chain)),
    );
    const report = await check(ledger({ partition: { ...topic, partition: 3 } }), {
      offset: 130,
      metadata: metadata({ layout: 2, chains: 2, sequence: 1 }),
    });
    expect(report.unwritten.map(({ sequence }) => sequence)).toEqual([1, 0]);
    expect(isBroken(report)).toBe(false);
  });

  it('looks up so many batches and says what it left out', async () => {
    let asked = 0;
    const check = createPartitionCheck({
      of: async (_, sequence) => (
        asked++, { ...run(sequence, [[0, sequence, sequence + 1]]), positions: { 0: sequence + 1 } }
      ),
    });
    const report = await check(ledger({ holes: [hole(1, 9_999, [0, 0], [0, 9_999])] }));
    expect(asked).toBe(200);
    expect(report.unexamined).toEqual([{ from: expect.any(Number) as number, to: 9_999 }]);
    expect(report.unexamined[0]!.from).toBeGreaterThan(180);
    expect(isBroken(report)).toBe(true);
  });

  it('passes by a run that says nothing of its ranges', async () => {
    const report = await createPartitionCheck(temporalWith(run(3, [])))(
      ledger({ holes: [hole(10, 30, [0, 2], [0, 4])] }),
    );
    expect(report.holes).toEqual([{ from: 10, to: 30 }]);
  });
});

describe('supersededBy', () => {
  it('says which topics a newer epoch has replaced', () => {
    const other = { ...topic, pipeline: 'returns' };
    const isMoot = supersededBy([ledger({ partition: { ...partition, epoch: 1 } })]);
    expect([topic, other, { ...topic, epoch: 1 }, { ...topic, epoch: 2 }].map(isMoot)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(supersededBy([ledger()])(topic)).toBe(false);
  });
});
