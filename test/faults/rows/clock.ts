import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sessionTimeoutMs } from '../system/fault-system.ts';
import type { Row, RowContext } from '../row.ts';
import { seenBy } from './kills.ts';

const preload = join(import.meta.dirname, '..', 'system', 'clock.mjs');
const stepped = 'clock stepped by';
const hourMs = 3_600_000;

/** Sets the clocks of both bridges and of one worker; the other one keeps the machine's. */
async function setClocks(context: RowContext, aheadMs: number): Promise<void> {
  const { system } = context;
  for (const member of [...system.bridges, system.workers[0]!]) {
    const file = join(system.dataDir, `clock-${member.pid}`);
    writeFileSync(`${file}.draft`, String(aheadMs));
    renameSync(`${file}.draft`, file);
  }
  context.fault(`the clocks of both bridges and of ${system.workers[0]!.name} are ${aheadMs / 1_000} s ahead`);
  await context.pause(4_000);
}

export const clockSteps: Row = {
  name: 'clock-steps',
  about:
    'the clocks of both bridges and of a worker are set an hour ahead, two hours back, and right again, and no event comes for longer than the session time-out: work goes on within a minute',
  needs: { env: { NODE_OPTIONS: `--import ${preload}` } },
  async run(context) {
    const { system, load } = context;
    const members = [...system.bridges, system.workers[0]!];
    for (const member of members) member.watch(stepped);
    for (const aheadMs of [hourMs, -hourMs, 0]) {
      await setClocks(context, aheadMs);
      await context.recovered();
      // Without commits only heartbeats tell the group that a bridge lives.
      await load.stop();
      await context.pause(sessionTimeoutMs + 3_000);
      load.start();
      await context.pause(2_000);
      const tookMs = await context.recovered();
      if (tookMs > sessionTimeoutMs + 5_000)
        context.problems.push(`events waited for ${tookMs} ms after the clock was set`);
    }
    context.mustHappen('a clock was set', seenBy(members, stepped), 3 * members.length);
  },
};
