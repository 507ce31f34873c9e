import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pipeline from '../pipelines/fraud/index.ts';
import { createLakeSink } from '../sinks/lake.ts';
import { planRollUps } from '../lake/plan.ts';
import { rollUp } from '../lake/roll-up.ts';
import type { Bench } from './context.ts';
import { decisionRows } from './decision-rows.ts';
import { batchRef } from './records.ts';
import { measureRows } from './rows.ts';

const rowsPerSegment = 2_048;
const segmentsPerRound = 16;
const warmUpRounds = 1;
const rounds = 6;

/** The roll-up of the lake's segments into Parquet, with its thread. */
export const rollUpBench: Bench = {
  name: 'roll-up',
  what: `segments of ${rowsPerSegment} decisions into Parquet files, ${segmentsPerRound} segments at a time`,
  async run() {
    const root = await mkdtemp(join(tmpdir(), 'headrace-bench-lake-'));
    try {
      const segments = segmentsPerRound * (warmUpRounds + rounds);
      const rows = decisionRows(rowsPerSegment * segments);
      const lake = createLakeSink({ root });
      for (let segment = 0; segment < segments; segment++) {
        const position = segment * rowsPerSegment;
        const batch = batchRef(position, rowsPerSegment);
        await lake.deliver(
          { batch, pipeline, workflowId: `bench-${segment}`, rows: rows.slice(position, position + rowsPerSegment) },
          AbortSignal.timeout(30_000),
        );
      }
      let files = 0;
      const figures = await measureRows(
        { name: 'roll-up', rowsPerRound: rowsPerSegment * segmentsPerRound, rounds, warmUpRounds },
        async () => {
          const { plans } = await planRollUps({ root });
          for (const plan of plans) files += (await rollUp({ root }, plan)).files;
        },
      );
      return [...figures, { name: 'Parquet files', value: files / (warmUpRounds + rounds), unit: 'per round' }];
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
};
