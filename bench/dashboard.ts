import { migrate } from '../database/migrate.ts';
import { createPool } from '../database/pool.ts';
import pipeline from '../pipelines/fraud/index.ts';
import { createDashboardSink } from '../sinks/dashboard.ts';
import type { Bench } from './context.ts';
import { cpuMicrosOfTree } from './process-usage.ts';
import { decisionRows } from './decision-rows.ts';
import { batchRef } from './records.ts';
import { measureRows } from './rows.ts';
import { startServers } from './servers.ts';

const rowsPerBatch = 2_048;
const warmUpBatches = 10;
const batches = 60;

/** The dashboard sink on the embedded Postgres, one delivery at a time. */
export const dashboard: Bench = {
  name: 'dashboard',
  what: `deliveries of ${rowsPerBatch} decisions to Postgres, one at a time`,
  async run(context) {
    const servers = await startServers(context, ['postgres']);
    try {
      const pool = await createPool(servers.postgres.databaseUrl, { max: 2, applicationName: 'bench' });
      try {
        await migrate(pool);
        const sink = createDashboardSink({ pool });
        const rows = decisionRows(rowsPerBatch * (warmUpBatches + batches));
        let cpuBefore = 0;
        const figures = await measureRows(
          { name: 'dashboard', rowsPerRound: rowsPerBatch, rounds: batches, warmUpRounds: warmUpBatches },
          async (round) => {
            if (round === warmUpBatches) cpuBefore = cpuMicrosOfTree(servers.postgres.pid);
            const position = round * rowsPerBatch;
            const batch = batchRef(position, rowsPerBatch);
            await sink.deliver(
              { batch, pipeline, workflowId: `bench-${round}`, rows: rows.slice(position, position + rowsPerBatch) },
              AbortSignal.timeout(30_000),
            );
          },
        );
        return [
          ...figures,
          {
            name: 'CPU of Postgres',
            value: (cpuMicrosOfTree(servers.postgres.pid) - cpuBefore) / (rowsPerBatch * batches),
            unit: 'us/row',
          },
        ];
      } finally {
        await pool.end();
      }
    } finally {
      await servers.stop();
    }
  },
};
