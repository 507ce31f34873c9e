import type { Member } from '../system/member.ts';
import type { Row, RowContext } from '../row.ts';
import { sessionTimeoutMs } from '../system/fault-system.ts';

const rounds = 6;

/** How the group looked when a process died, and that somebody else went on. */
async function killMember(context: RowContext, member: Member): Promise<void> {
  const { system } = context;
  const name = member.name;
  await member.kill();
  context.fault(`SIGKILL ${name}`);
  await context.pause(0, 3_000);
  member.start();
  await system.servers.heal();
}

export const killBridge: Row = {
  name: 'kill-bridge',
  about: `a bridge is killed ${rounds} times at random moments, and the other one takes over`,
  async run(context) {
    const { system, random } = context;
    for (const bridge of system.bridges) bridge.watch('"adopted":true');
    let takenOver = 0;
    for (let round = 0; round < rounds; round++) {
      await context.pause(500, 4_000);
      const bridge = random.pick(system.bridges);
      await bridge.kill();
      context.fault(`SIGKILL ${bridge.name}`);
      // Every second time it stays away until the other one has taken over all of it; else it comes back and the group changes twice.
      if (round % 2 === 0) {
        const tookMs = await context.recovered();
        if (tookMs > sessionTimeoutMs + 5_000) context.problems.push(`the take-over took ${tookMs} ms, more than the session time-out and 5 s`);
        takenOver++;
      }
      bridge.start();
      await bridge.ready();
    }
    context.mustHappen('another bridge took over', takenOver, 3);
    context.mustHappen('a batch was found that a dead bridge had cut otherwise', system.bridges.reduce((sum, bridge) => sum + bridge.seen('"adopted":true'), 0), 0);
  },
};

export const killWorker: Row = {
  name: 'kill-worker',
  about: `a worker is killed ${rounds} times at random moments`,
  async run(context) {
    const { system, random } = context;
    for (let round = 0; round < rounds; round++) {
      await context.pause(500, 4_000);
      await killMember(context, random.pick(system.workers));
    }
    await context.recovered();
  },
};
