import { join } from 'node:path';
import type { Row } from '../row.ts';
import { StoreVisitors } from '../system/store-visitors.ts';
import { seenBy } from './kills.ts';

/** What a worker logs that finds the store behind its chain: a transaction was lost that had been answered for. */
const storeIsBehind = 'the feature store is behind its chain';
const rounds = 40;

export const storeShared: Row = {
  name: 'store-shared',
  about: `the feature store is opened and closed by two other processes all the time, which are killed ${rounds} times at any point, as are workers: no transaction is lost`,
  async run(context) {
    const { system, random } = context;
    for (const worker of system.workers) worker.watch(storeIsBehind);
    const visitors = new StoreVisitors(join(system.dataDir, 'features', 'state.mdb'), 2);
    let killed = 0;
    try {
      for (let round = 1; round <= context.rounds(rounds); round++) {
        await context.pause(300, 1_200);
        await visitors.killOne(random.whole(0, 1));
        context.fault('SIGKILL a process that has the store open');
        if (round % 8 !== 0) continue;
        const worker = random.pick(system.workers);
        await worker.kill();
        context.fault(`SIGKILL ${worker.name}`);
        worker.start();
        killed++;
      }
    } finally {
      await visitors.stop();
    }
    await context.recovered();
    context.problems.push(...visitors.complaints.slice(0, 3));
    const behind = seenBy(system.workers, storeIsBehind);
    if (behind > 0)
      context.problems.push(`the store was behind its chain ${behind} times: what it had answered for was lost`);
    context.mustHappen('the store was opened and closed', visitors.visits, 500);
    context.mustHappen('a worker was killed meanwhile', killed, 3);
  },
};
