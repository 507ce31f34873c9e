import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Message } from 'kafkajs';
import { eventKey } from '../../../contracts/event-key.ts';
import { deadLetters, readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import { payment, paymentMessage } from '../load.ts';
import type { Row, RowContext } from '../row.ts';
import { openRuns } from './open-runs.ts';

const run = promisify(execFile);
const refusedMax = 200;
const strangers = 'strangers';

/** JSON behind five bytes of Confluent's, in one partition. */
function framed(from: number, count: number): Message[] {
  return Array.from({ length: count }, (_, i) => ({
    partition: 0,
    key: 'k',
    value: Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from(JSON.stringify(payment(from + i)))]),
    headers: { [strangers]: '1' },
  }));
}

/** True once a batch waits because everything is refused; false when all was committed instead. */
async function isHalted({ system, monitor }: RowContext): Promise<boolean> {
  return until(
    'a batch waits, or all is committed',
    async () => {
      for (const id of await openRuns(system, 100)) {
        const { raw } = await system.temporal.workflow.getHandle(id).describe();
        if (
          raw.pendingActivities?.some(
            ({ lastFailure }) => lastFailure?.applicationFailureInfo?.type === 'REFUSED_IN_A_ROW',
          )
        )
          return 'halted' as const;
      }
      await monitor.look();
      return monitor.lag === 0 && ('committed' as const);
    },
    { timeoutMs: 90_000, everyMs: 500, detail: () => system.logs() },
  ).then((state) => state === 'halted');
}

async function resume({ productRoot, env, name }: RowContext['system']): Promise<void> {
  await run(process.execPath, ['--import', 'tsx', 'cli/main.ts', 'resume', '--pipeline', name], {
    cwd: productRoot,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    timeout: 90_000,
  });
}

export const anotherFormat: Row = {
  name: 'topic-of-another-format',
  about:
    'a producer writes Confluent-framed JSON into a partition: nothing is drained into dead letters before somebody says so, whatever is killed meanwhile, and then each record has one',
  needs: { env: { HEADRACE_REFUSED_IN_A_ROW_MAX: String(refusedMax) } },
  async run(context) {
    const { system, load } = context;
    let halts = 0;
    for (let round = 0; round < context.rounds(3); round++) {
      await load.stop();
      await context.drained();
      const before = (await deadLetters(system)).size;
      for (let i = 0; i < 5; i++) await system.sendAfresh(framed(round * 1_000 + i * 150, 150));
      context.fault('750 records of another format');
      await system.workers[round % 2]!.kill();
      await system.bridges[round % 2]!.kill();
      const halted = await isHalted(context);
      await system.heal();
      const letters = (await deadLetters(system)).size - before;
      if (letters >= refusedMax)
        context.problems.push(`${letters} records of another format became dead letters before anybody said so`);
      if (!halted) continue;
      halts++;
      await resume(system);
      await context.recovered();
      load.start();
      await context.pause(2_000);
    }
    context.mustHappen('the pipeline was halted', halts);
  },
  async verify(context) {
    const { system } = context;
    const letters = await deadLetters(system);
    const problems: string[] = [];
    for (const [partition, records] of await readTopic(system, system.topic)) {
      for (const { offset, texts } of records) {
        const key = eventKey(
          { deployment: 'test', pipeline: system.name, epoch: 0, topic: system.topic, partition },
          offset,
        );
        if ((texts[strangers] !== undefined) !== letters.has(key))
          problems.push(
            `${key}: ${letters.has(key) ? 'a good record has a dead letter' : 'lost, with neither a decision nor a dead letter'}`,
          );
        if (letters.has(key)) context.refused.add(key);
      }
    }
    context.mustHappen('records of another format had dead letters', letters.size, 700);
    return problems;
  },
};

export const farAhead: Row = {
  name: 'far-ahead',
  about:
    'among events of January come single ones of today and of the year 9998, in every partition: those beyond the clock are refused, and no other becomes late or loses its windows',
  async run(context) {
    const { system } = context;
    for (let round = 0; round < context.rounds(12); round++) {
      const far = Array.from({ length: system.partitions }, (_, partition) =>
        [Date.now() - 1_000, Date.UTC(9_998, 0, 1)].map((at) => ({
          ...paymentMessage({
            ...payment(round),
            id: `far-${round}-${partition}-${at}`,
            account: `far${partition}`,
            at,
          }),
          partition,
        })),
      ).flat();
      await system.sendAfresh(far);
      context.fault('an event of today and one of the year 9998 in every partition');
      await context.pause(500, 1_500);
    }
    await context.recovered();
  },
  async verify(context) {
    const { system } = context;
    const letters = await deadLetters(system);
    for (const [key, [code]] of letters) {
      if (code !== 'EVENT_TOO_FAR_AHEAD') return [`${key}: refused as ${code}`];
      context.refused.add(key);
    }
    const {
      rows: [row],
    } = await system.pool.query<{ late: string; far: string }>(
      `select count(*) filter (where late) as late, count(*) filter (where event_id like 'far-%') as far from decisions`,
    );
    context.mustHappen('events beyond the clock were refused', letters.size, 16);
    context.mustHappen('events of today were decided', Number(row!.far), 16);
    return Number(row!.late) > 0 ? [`${row!.late} events were marked late because others ran ahead`] : [];
  },
};
