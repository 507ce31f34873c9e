import { decodeEvents } from '../pipelines/decode-event.ts';
import { eventKey } from '../contracts/event-key.ts';
import { migrate } from '../database/migrate.ts';
import { createPool } from '../database/pool.ts';
import pipeline from '../pipelines/fraud/index.ts';
import { createDashboardSink } from '../sinks/dashboard.ts';
import type { DecisionRow } from '../sinks/port.ts';
import type { Bench } from './context.ts';
import { cpuMicrosOfTree } from './process-usage.ts';
import { batchRef, paymentRecords } from './records.ts';
import { measureRows } from './rows.ts';
import { startServers } from './servers.ts';

const rowsPerBatch = 2_048;
const warmUpBatches = 10;
const batches = 60;
const featureNames = Object.keys(pipeline.features);

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
        const figures = await measureRows({ name: 'dashboard', rowsPerRound: rowsPerBatch, rounds: batches, warmUpRounds: warmUpBatches }, async (round) => {
          if (round === warmUpBatches) cpuBefore = cpuMicrosOfTree(servers.postgres.pid);
          const batch = batchRef(round * rowsPerBatch, rowsPerBatch);
          await sink.deliver({ batch, pipeline, workflowId: `bench-${round}`, rows: rows.slice(batch.position, batch.end) }, AbortSignal.timeout(30_000));
        });
        return [...figures, { name: 'CPU of Postgres', value: (cpuMicrosOfTree(servers.postgres.pid) - cpuBefore) / (rowsPerBatch * batches), unit: 'us/row' }];
      } finally {
        await pool.end();
      }
    } finally {
      await servers.stop();
    }
  },
};

function decisionRows(count: number): DecisionRow[] {
  const { events } = decodeEvents(pipeline, paymentRecords(count));
  return events.map(({ offset, eventId, recordTimeMs, eventTimeMs, event, entityKeys }) => ({
    eventKey: eventKey(batchRef(0, count), offset), eventId, offset, recordTimeMs, eventTimeMs, event,
    entities: Object.fromEntries(Object.keys(pipeline.entities).map((name, i) => [name, entityKeys[i]!])),
    features: Object.fromEntries(featureNames.map((name, i) => [name, Math.fround((offset * (i + 1)) % 97)])),
    prediction: { score: Math.fround((offset % 1_000) / 1_000) }, model: { name: 'fraud', version: '1' },
    degraded: false, late: false, outcome: 'approve', why: 'score below the review band',
  }));
}
