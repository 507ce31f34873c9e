/**
 * Applies batch after batch of one partition to an LMDB store, and says so on stdout line by line, until it is killed or has
 * reached `batches`, or the store fails. Waits for a line on stdin before it begins. Arguments: data folder, partition, first batch, batches.
 */
import { once } from 'node:events';
import { compileFeatures, foldBatch, openLmdbStore } from '../../features/index.ts';
import { batchOf, eventsOf, payments } from './support.ts';
import { batchRecords, childLog } from './lmdb-log.ts';

const [dataDir, partition, firstBatch, batches] = [process.argv[2]!, ...process.argv.slice(3).map(Number)] as [
  string,
  number,
  number,
  number,
];
const plan = compileFeatures(payments);
const store = openLmdbStore({ dataDir });
const log = childLog(partition, batches * batchRecords);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
let failed = false;
for (let i = firstBatch; i < batches && !failed; i++) {
  const batch = batchOf(i * batchRecords, (i + 1) * batchRecords, { partition });
  const events = eventsOf(log, batch);
  const line = await store
    .apply(
      batch,
      foldBatch(
        plan,
        batch,
        events.map(({ offset }) => offset),
        events,
        [],
      ),
    )
    .then(
      (result) => ({ result: Buffer.from(result).toString('base64') }),
      (error: Error) => ({ failure: error.message }),
    );
  failed = 'failure' in line;
  process.stdout.write(`${JSON.stringify({ partition, batch: i, ...line })}\n`);
}
await store.close();
process.exit(0);
