import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeEvents } from '../pipelines/decode-event.ts';
import { compileFeatures, foldBatch, openLmdbStore } from '../features/index.ts';
import pipeline from '../pipelines/fraud/index.ts';
import type { Bench } from './context.ts';
import { paymentRecords, batchRef } from './records.ts';
import { measureRows } from './rows.ts';

const rowsPerBatch = 2_048;
const warmUpBatches = 20;
const batches = 120;

/** Decoding a batch's records, and folding them into the embedded store, each batch one durable transaction. */
export const features: Bench = {
  name: 'features',
  what: `decode and validate, then fold + LMDB, batches of ${rowsPerBatch}, in process`,
  async run({ tell }) {
    const dataDir = mkdtempSync(join(tmpdir(), 'headrace-bench-'));
    const store = openLmdbStore({ dataDir });
    try {
      tell(`${batches} batches of one partition`);
      const records = paymentRecords(rowsPerBatch * (warmUpBatches + batches));
      const plan = compileFeatures(pipeline);
      const decoding = await measureRows(
        { name: 'decode', rowsPerRound: rowsPerBatch, rounds: batches, warmUpRounds: warmUpBatches },
        async (round) => {
          decodeEvents(pipeline, records.slice(round * rowsPerBatch, (round + 1) * rowsPerBatch), {
            clockMs: Date.now(),
          });
        },
      );
      const folding = await measureRows(
        { name: 'decode + fold + LMDB', rowsPerRound: rowsPerBatch, rounds: batches, warmUpRounds: warmUpBatches },
        async (round) => {
          const position = round * rowsPerBatch;
          const batch = batchRef(position, rowsPerBatch);
          const own = records.slice(position, position + rowsPerBatch);
          const { events, rejections } = decodeEvents(pipeline, own, { clockMs: Date.now() });
          await store.apply(
            batch,
            foldBatch(
              plan,
              batch,
              own.map(({ offset }) => offset),
              events,
              rejections,
            ),
          );
        },
      );
      return [...decoding, ...folding];
    } finally {
      await store.close();
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
};
