import { describe, expect, it } from 'vitest';
import type { VerifyReport } from '../../cli/verify-report.ts';
import { verifyText } from '../../cli/verify-text.ts';
import type { BatchRun } from '../../contracts/batch-runs.ts';
import { batchWorkflowId, type ChainRef, type PartitionRef } from '../../contracts/event-key.ts';
import type { PartitionReport } from '../../ledger/check-partitions.ts';

const topic = { deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders' };
const partition: PartitionRef = { ...topic, partition: 3 };
const chain: ChainRef = { ...topic, layout: 1, chain: 0 };
/** The batch that has ten offsets of partition 3 from there on. */
const run = (position: number, more: Partial<BatchRun> = {}): BatchRun => ({
  workflowId: batchWorkflowId(chain, position / 10),
  runId: 'r',
  chain,
  sequence: position / 10,
  ranges: [{ partition: 3, position, end: position + 10, count: 10 }],
  positions: {},
  status: 'TERMINATED',
  startedAtMs: 0,
  ...more,
});
const partitionReport = (more: Partial<PartitionReport> = {}): PartitionReport => ({
  partition,
  span: { from: 0, to: 12_000 },
  last: { layout: 1, chain: 0, sequence: 1_199 },
  batches: 1_024,
  records: 11_990,
  doubled: 0,
  committed: 12_000,
  holes: [],
  moreHoles: 0,
  overlaps: [],
  moreOverlaps: 0,
  unwritten: [],
  incomplete: [],
  unexamined: [],
  ...more,
});
const report = (more: Partial<VerifyReport> = {}): VerifyReport => ({
  deployment: 'local',
  ok: true,
  verdict: more.ok === false ? 'wrong' : 'well',
  partitions: [],
  problems: [],
  unknown: {},
  ledger: [partitionReport()],
  without: [],
  withoutBatch: [],
  unread: [],
  incomplete: { runs: [], more: false, unexamined: false },
  overdue: { total: 0, olderThanSeconds: 600, runs: [] },
  ...more,
});

describe('verifyText', () => {
  it('says so in few lines when all is well', () => {
    expect(
      verifyText(report({ without: ['returns'] })),
    ).toBe(`Batches of deployment local, from the range ledger, Temporal and Kafka:

  orders  orders-3  offsets 0 to 11999: 11,990 records in 1,024 batches, committed 12000
  pipeline returns: no batch delivered yet

Every record up to these offsets is in a batch, and every batch has completed or is on its way.
`);
  });

  it('tells what is on its way, read twice, or not committed', () => {
    expect(
      verifyText(
        report({
          ledger: [
            partitionReport({
              partition: { ...partition, epoch: 2 },
              committed: null,
              unwritten: [run(12_000)],
              doubled: 1_500,
            }),
          ],
        }),
      ),
    ).toContain(
      '  orders, epoch 2  orders-3  offsets 0 to 11999: 11,990 records in 1,024 batches, nothing committed, 1 more on their way, 1,500 offsets were read twice, with one effect each\n',
    );
  });

  it('names each finding with what to do about it', () => {
    const text = verifyText(
      report({
        ok: false,
        ledger: [
          partitionReport({
            holes: [{ from: 5, to: 6 }],
            overlaps: [{ from: 10, to: 20 }],
            skipped: { from: 12_000, to: 12_050 },
            committed: 12_050,
            unexamined: [{ from: 30, to: 40 }],
          }),
        ],
        incomplete: { runs: [run(40, { status: 'CANCELLED' })], more: false, unexamined: false },
        overdue: {
          total: 7,
          olderThanSeconds: 600,
          runs: [
            run(60, {
              startedAtMs: Date.UTC(2026, 0, 1),
              waitsFor: [{ kind: 'failing', text: 'deliver, attempt 12: SINK_UNAVAILABLE: gone' }],
            }),
          ],
        },
      }),
    );
    for (const line of [
      'hole: no batch has offset 5 of orders-3 (pipeline orders).',
      'overlap: two batches have offsets 10 to 19 of',
      'skipped: offset 12050 is committed, and no batch has offsets 12000 to 12049',
      "set the group's offset back to 12000",
      'not looked at: offsets 30 to 39',
      `${run(40).workflowId} (partition 3 offsets 40 to 49) ended as CANCELLED; its effects may be missing. Re-drive it:\n      npx headrace redrive ${run(40).workflowId}\n`,
      '7 batches have been open for more than 10 min.',
      `${run(60).workflowId}, since 2026-01-01T00:00:00.000Z\n          deliver, attempt 12: SINK_UNAVAILABLE: gone\n`,
      'Something is wrong: see above.',
    ])
      expect(text).toContain(line);
    expect(text).not.toContain('--all');
  });

  it('lists so many of a kind, and counts the rest', () => {
    const runs = Array.from({ length: 25 }, (_, i) => run(i * 10));
    const text = verifyText(report({ ok: false, incomplete: { runs, more: false, unexamined: false } }));
    expect(text.match(/npx headrace redrive batch:/g)).toHaveLength(20);
    expect(text).toContain('... and 5 more (--output json lists them)');
    expect(text).toContain('    npx headrace redrive --all\n');
  });

  it('says how many breaks of a partition it leaves out', () => {
    const text = verifyText(report({ ok: false, ledger: [partitionReport({ moreHoles: 1_234, moreOverlaps: 5 })] }));
    expect(text).toContain('1,234 more holes of orders-3 (pipeline orders) were not looked at\n');
    expect(text).toContain('5 more overlaps of orders-3 (pipeline orders)\n');
  });

  it('names the first ranges of a batch that has many', () => {
    const ranges = Array.from({ length: 7 }, (_, i) => ({ partition: i * 2, position: 5, end: 6, count: 1 }));
    const text = verifyText(
      report({ ok: false, incomplete: { runs: [run(40, { ranges })], more: false, unexamined: false } }),
    );
    expect(text).toContain(
      '(partition 0 offset 5, partition 2 offset 5, partition 4 offset 5, partition 6 offset 5, 3 more partitions)',
    );
  });
});
