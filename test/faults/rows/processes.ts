import { until } from '../../live/wait.ts';
import { sessionTimeoutMs } from '../system/fault-system.ts';
import type { Row } from '../row.ts';
import { openRuns, timedOut } from './open-runs.ts';

/** What kafkajs logs when a member that the group has given up asks for something. */
export const expelled = 'not aware of this member';

/** A bridge that is frozen long enough is replaced, and then wakes up as a zombie that believes to own its partitions. */
function zombieBridge(frozenMs: number): Row {
  return {
    name: `zombie-bridge-${frozenMs / 1_000}s`,
    about: `a bridge is frozen for ${frozenMs / 1_000} s, replaced by the other one, and wakes up`,
    async run(context) {
      const { system, random } = context;
      const zombie = random.pick(system.bridges);
      zombie.watch(expelled);
      let takenOver = 0;
      for (let round = 0; round < context.rounds(frozenMs > 20_000 ? 1 : 3); round++) {
        await context.pause(500, 2_000);
        const fromMs = Date.now();
        zombie.freeze();
        context.fault(`SIGSTOP ${zombie.name}`);
        // The other one works off what there is while the first one sleeps, so it owns everything.
        const tookMs = await context.recovered();
        if (tookMs > sessionTimeoutMs + 5_000)
          context.problems.push(`the take-over took ${tookMs} ms, more than the session time-out and 5 s`);
        takenOver++;
        await context.pause(Math.max(0, frozenMs - (Date.now() - fromMs)));
        zombie.thaw();
        await context.recovered();
      }
      context.mustHappen('the other bridge had taken over before it woke up', takenOver);
      context.mustHappen(
        'it went on as a member of the group, and was told that it is none',
        zombie.seen(expelled),
        takenOver,
      );
    },
  };
}

export const zombieShort = zombieBridge(15_000);
export const zombieLong = zombieBridge(45_000);

export const zombieWorker: Row = {
  name: 'zombie-worker',
  about: 'a worker is frozen for 12 s, 3 times, in the middle of its activities, and wakes up',
  async run(context) {
    const { system, random } = context;
    let hit = 0;
    for (let round = 0; round < context.rounds(3); round++) {
      await context.pause(500, 2_000);
      const worker = random.pick(system.workers);
      worker.freeze();
      context.fault(`SIGSTOP ${worker.name}`);
      await context.pause(1_000);
      const open = await openRuns(system, 50);
      await context.pause(11_000);
      worker.thaw();
      await context.recovered(12_000);
      hit += await timedOut(system, open);
    }
    context.mustHappen('a batch had a task with the frozen worker, and got it elsewhere', hit, context.rounds(3));
  },
};

export const rebalanceStorm: Row = {
  name: 'rebalance-storm',
  about: 'a third bridge joins and leaves every few seconds for 45 s, by SIGTERM or SIGKILL',
  async run(context) {
    const { system, random } = context;
    const third = system.member('bridge', 'bridge-3');
    let joins = 0;
    for (const endMs = Date.now() + 45_000; Date.now() < endMs; ) {
      third.start();
      await third.ready();
      joins++;
      await context.pause(0, 3_000);
      const abruptly = random.next() < 0.5;
      await (abruptly ? third.kill() : third.stop());
      context.fault(`${third.name} ${abruptly ? 'was killed' : 'left'}`);
    }
    await context.recovered();
    context.mustHappen('a third bridge joined', joins, 5);
  },
};

export const rollingRestarts: Row = {
  name: 'rolling-restarts',
  about: 'every process is asked to stop and started again, 3 times around: clean ends, within their time',
  async run(context) {
    const { system } = context;
    let clean = 0;
    for (let round = 0; round < 3; round++) {
      for (const member of context.random.shuffle([...system.bridges, ...system.workers])) {
        const code = await member.stop();
        context.fault(`SIGTERM ${member.name}`);
        if (code === 0) clean++;
        else
          context.problems.push(
            `${member.name} ended with ${code ?? 'SIGKILL after 10 s'}: ${member.log().split('\n').at(-1)}`,
          );
        member.start();
        await member.ready();
      }
    }
    await context.recovered();
    context.mustHappen('a process ended cleanly', clean, 12);
  },
};

export const allWorkersDown: Row = {
  name: 'all-workers-down',
  about: 'both workers are killed and stay away for 40 s',
  async run(context) {
    const { system } = context;
    await context.pause(500, 2_000);
    await Promise.all(system.workers.map((worker) => worker.kill()));
    context.fault('SIGKILL both workers');
    const decided = system.countDecisions();
    await context.pause(40_000);
    const later = await system.countDecisions();
    context.mustHappen('events waited', context.monitor.lag, 5_000);
    if (later !== (await decided))
      context.problems.push(`decisions were made without a worker: ${later - (await decided)}`);
    for (const worker of system.workers) worker.start();
    await context.recovered(40_000);
  },
};

export const smallCache: Row = {
  name: 'cache-of-3',
  about: 'workers keep only 3 runs in memory, so that runs are replayed all the time, and are killed twice',
  needs: { env: { HEADRACE_WORKFLOWS_CACHED_MAX: '3' } },
  async run(context) {
    const { system, random } = context;
    // With the dashboard held up, batches stay open, and three places are too few.
    const blocker = await system.pool.connect();
    try {
      await blocker.query('begin; lock table decisions in access exclusive mode');
      await context.pause(5_000);
      for (let round = 0; round < 2; round++) {
        const worker = random.pick(system.workers);
        await worker.kill();
        context.fault(`SIGKILL ${worker.name}`);
        worker.start();
        await worker.ready();
      }
      const open = await until('batches are open', async () => {
        const { count } = await system.temporal.workflow.count(
          "WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'",
        );
        return count > 20 && count;
      });
      context.mustHappen('runs were open beside the 3 places', open, 20);
    } finally {
      blocker.release(true);
    }
    await context.recovered();
  },
};
