/**
 * Opens the feature store's file, looks into it, and closes it, again and again until it is killed; a line on stdout for each visit.
 * Every third time it also holds the write lock for a moment, without writing. Argument: the file.
 */
import { open } from 'lmdb';
import { setTimeout as sleep } from 'node:timers/promises';

const lockMs = 3;

for (let visit = 1; ; visit++) {
  const db = open(process.argv[2], { encoding: 'binary', overlappingSync: false, eventTurnBatching: false });
  let entries = 0;
  for (const _ of db.getRange({ limit: 50 })) entries++;
  if (visit % 3 === 0) {
    db.transactionSync(() => {
      for (const endMs = performance.now() + lockMs; performance.now() < endMs; ) db.getBinary('sequence');
    });
  }
  await db.close();
  process.stdout.write(`${visit} ${entries}\n`);
  await sleep(2);
}
