import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseBatchId } from '../../../contracts/event-key.ts';
import type { BatchMemo } from '../../../contracts/names.ts';
import { segmentPath, segmentsFolder } from '../../../lake/paths.ts';
import { openBatches } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import type { Row, RowContext } from '../row.ts';
import type { FaultSystem } from '../system/fault-system.ts';
import { seenBy } from './kills.ts';

/** What a lake says that cannot write. */
const diskFull = 'the disk is full';
const fullMs = 20_000;
/** Within the head of a segment. */
const cutAt = 20;

/** The path of one of the segments that are not rolled up yet, if there is one. */
function aSegment({ lakeDir }: FaultSystem): string | undefined {
  const name = readdirSync(lakeDir, { recursive: true, encoding: 'utf8' }).find(
    (each) => each.startsWith(segmentsFolder) && each.endsWith('.seg'),
  );
  return name && join(lakeDir, name);
}

/** What a machine that loses its power leaves behind: segments of batches that wait for the lake, each under its name and with its first bytes alone. */
async function leaveHalfSegments({ system }: RowContext, most: number): Promise<number> {
  const whole = aSegment(system);
  if (!whole) return 0;
  const bytes = readFileSync(whole);
  let left = 0;
  for await (const { workflowId, memo } of system.temporal.workflow.list({
    query: "WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'",
  })) {
    if (left === most) break;
    const { sequence, ...chain } = parseBatchId(workflowId);
    const { startId } = memo as unknown as BatchMemo;
    const path = join(system.lakeDir, segmentPath(system.name, chain, { sequence, startId }));
    if (existsSync(path)) continue;
    mkdirSync(dirname(path), { recursive: true });
    // Not beyond its head, which is another batch's.
    writeFileSync(path, bytes.subarray(0, cutAt));
    left++;
  }
  return left;
}

export const lakeDiskFull: Row = {
  name: 'lake-disk-full',
  about: `the disk of the lake is full for ${fullMs / 1_000} s while workers are killed, and half-written segments are left behind: the other sinks go on, the lake gets everything afterwards`,
  needs: { lakeMegabytes: 64 },
  async run(context) {
    const { system, random } = context;
    const disk = system.lakeDisk!;
    for (const worker of system.workers) worker.watch(diskFull);
    // Until the lake has something that can be halved.
    await until('a segment is in the lake', () => aSegment(system));
    const before = await system.countDecisions();
    const fromMs = Date.now();
    disk.fill();
    context.fault('the disk of the lake is full');
    for (let round = 0; round < 2; round++) {
      await context.pause(fullMs / 4);
      const worker = random.pick(system.workers);
      await worker.kill();
      context.fault(`SIGKILL ${worker.name}`);
      worker.start();
      await worker.ready();
      // What was half written is given back by whoever could not go on.
      disk.fill();
    }
    await context.pause(Math.max(0, fullMs - (Date.now() - fromMs)));
    context.mustHappen('the other sinks got decisions meanwhile', (await system.countDecisions()) - before, 2_000);
    // Three in a row open the breaker, and then it is that which workers tell of.
    context.mustHappen('a worker said that the disk is full', seenBy(system.workers, diskFull), 3);
    context.mustHappen('batches waited for the lake', await openBatches(system), 10);
    await Promise.all(system.workers.map((worker) => worker.kill()));
    context.fault('SIGKILL both workers');
    disk.empty();
    const halves = await leaveHalfSegments(context, 5);
    context.fault(`${halves} segments are half written`);
    context.mustHappen('segments were half written', halves, 3);
    for (const worker of system.workers) worker.start();
    await context.recovered(Date.now() - fromMs);
  },
};
