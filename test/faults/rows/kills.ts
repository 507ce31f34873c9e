import { until } from '../../live/wait.ts';
import { sessionTimeoutMs } from '../system/fault-system.ts';
import type { FaultServer } from '../system/fault-server.ts';
import type { FaultServers } from '../system/fault-servers.ts';
import type { Row, RowContext } from '../row.ts';
import { openRuns, timedOut } from './open-runs.ts';

/** What the workers log when a step, or a delivery, did not succeed at its first, local try. */
export const retriedStep = 'goes on as a regular activity';
/** What a bridge logs when Temporal did not answer a start. */
export const waitsForTemporal = 'waiting to start a batch';
/** What a bridge logs of a batch that it had cut otherwise than the run that exists. */
const adoptedRange = '"adopted":true';

/** How often all members of a role have logged a watched text. */
export function seenBy(members: readonly { seen(text: string): number }[], text: string): number {
  return members.reduce((sum, member) => sum + member.seen(text), 0);
}

export const killBridge: Row = {
  name: 'kill-bridge',
  about: 'a bridge is killed 6 times at random moments; every second time the other one has to take over',
  async run(context) {
    const { system, random } = context;
    let takenOver = 0;
    for (let round = 0; round < context.rounds(6); round++) {
      await context.pause(500, 4_000);
      const bridge = random.pick(system.bridges);
      await bridge.kill();
      context.fault(`SIGKILL ${bridge.name}`);
      if (round % 2 === 0) {
        const tookMs = await context.recovered();
        if (tookMs > sessionTimeoutMs + 5_000)
          context.problems.push(`the take-over took ${tookMs} ms, more than the session time-out and 5 s`);
        takenOver++;
      }
      bridge.start();
      await bridge.ready();
    }
    await context.recovered();
    context.mustHappen('the other bridge took over', takenOver, 3);
  },
};

export const killBothBridges: Row = {
  name: 'kill-both-bridges',
  about: 'both bridges are killed at once, 8 times at random moments in a burst, and find their batches again',
  async run(context) {
    const { system } = context;
    for (const bridge of system.bridges) bridge.watch(adoptedRange);
    for (let round = 0; round < context.rounds(8); round++) {
      await context.load.burst(1_000, 50);
      await context.pause(0, 1_500);
      await Promise.all(system.bridges.map((bridge) => bridge.kill()));
      context.fault('SIGKILL both bridges');
      for (const bridge of system.bridges) bridge.start();
      await Promise.all(system.bridges.map((bridge) => bridge.ready()));
      await context.recovered();
    }
    // After a kill the same position comes back with more records than the run at it has.
    context.mustHappen('a run was found at a position with another end', seenBy(system.bridges, adoptedRange));
  },
};

export const killWorker: Row = {
  name: 'kill-worker',
  about: 'a worker is killed 6 times at random moments',
  async run(context) {
    const { system, random } = context;
    let hit = 0;
    for (let round = 0; round < context.rounds(6); round++) {
      await context.pause(500, 4_000);
      const worker = random.pick(system.workers);
      await worker.kill();
      context.fault(`SIGKILL ${worker.name}`);
      const open = await openRuns(system, 50);
      await context.pause(0, 3_000);
      worker.start();
      await context.recovered();
      hit += await timedOut(system, open);
    }
    context.mustHappen('a batch had a task with a killed worker, and got it again', hit, 3);
  },
};

/** Kills a server, leaves it down for a while, and starts it again on its data. */
async function outage(context: RowContext, server: FaultServer, leastMs: number, mostMs: number): Promise<void> {
  const fromMs = Date.now();
  await server.kill();
  context.fault(`SIGKILL ${server.name}`);
  await context.pause(leastMs, mostMs);
  await server.restart();
  await context.recovered(Date.now() - fromMs);
}

function killServer(
  which: 'kafka' | 'temporal' | 'postgres' | 'models',
  rounds: number,
  bit: { role: 'bridges' | 'workers'; text: string },
): Row {
  return {
    name: `kill-${which}`,
    about: `${which} is killed ${rounds} times and started again after up to 8 s`,
    async run(context) {
      const { system } = context;
      const server: FaultServer = (system.servers as FaultServers)[which];
      for (const member of system[bit.role]) member.watch(bit.text);
      for (let round = 0; round < context.rounds(rounds); round++) {
        await context.pause(500, 3_000);
        await outage(context, server, 0, 8_000);
      }
      context.mustHappen(`"${bit.text}" in the log of the ${bit.role}`, seenBy(system[bit.role], bit.text));
    },
  };
}

export const killKafka = killServer('kafka', 3, { role: 'bridges', text: 'Connection error' });
export const killTemporal = killServer('temporal', 4, { role: 'bridges', text: waitsForTemporal });
export const killPostgres = killServer('postgres', 5, { role: 'workers', text: retriedStep });
export const killModels = killServer('models', 5, { role: 'workers', text: retriedStep });

export const killWithoutTemporal: Row = {
  name: 'kill-without-temporal',
  about: 'both bridges are killed while Temporal is away and their starts are under way, twice',
  async run(context) {
    const { system } = context;
    for (const bridge of system.bridges) bridge.watch(waitsForTemporal);
    for (let round = 0; round < context.rounds(2); round++) {
      await context.pause(500, 2_000);
      const waited = seenBy(system.bridges, waitsForTemporal);
      await system.servers.temporal.kill();
      context.fault('SIGKILL temporal');
      await until('a bridge waits for Temporal with a start', () => seenBy(system.bridges, waitsForTemporal) > waited, {
        timeoutMs: 30_000,
        detail: () => system.logs(),
      });
      await context.pause(1_000, 3_000);
      await Promise.all(system.bridges.map((bridge) => bridge.kill()));
      context.fault('SIGKILL both bridges');
      await system.servers.temporal.restart();
      for (const bridge of system.bridges) bridge.start();
      await context.recovered();
    }
    context.mustHappen(
      'a start was under way when the bridges were killed',
      seenBy(system.bridges, waitsForTemporal),
      context.rounds(2),
    );
  },
};
