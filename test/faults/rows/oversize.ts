import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { eventKey } from '../../../contracts/event-key.ts';
import { searchAttributes } from '../../../contracts/names.ts';
import { recordBytesMax } from '../../../kafka/record.ts';
import { deadLetters, openBatches, readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import type { Row, RowContext } from '../row.ts';
import type { FaultSystem } from '../system/fault-system.ts';

const startMs = Date.UTC(2026, 0, 1);
const failingMs = 25_000;
const openMax = 150;
const batchRecordsMax = 2_048;
const frameBytesMax = 384 * 1024;
/** What a batch counts a record for, besides its content. */
const fixedBytes = 32;
/** Bytes of key and value. The largest batch and the largest record, and one more each. */
const contentSizes = [
  frameBytesMax - fixedBytes,
  frameBytesMax - fixedBytes + 1,
  1024 * 1024,
  recordBytesMax,
  recordBytesMax + 1,
  2_500_000,
];

/** A payment whose key and value have so many bytes, by a field that nobody reads. */
function padded(
  event: { id: string; account: string; amount: number; at: number },
  bytes: number,
  filler: (length: number) => string = (length) => 'x'.repeat(length),
) {
  const bare = JSON.stringify({ ...event, note: '' });
  return {
    key: event.account,
    value: JSON.stringify({ ...event, note: filler(bytes - event.account.length - bare.length) }),
  };
}

/** So many events that each batch has as many records, and as many bytes, as one may have. */
async function sendFullBatches(system: FaultSystem): Promise<void> {
  const bytes = frameBytesMax / batchRecordsMax - fixedBytes;
  const perSend = batchRecordsMax * system.partitions;
  for (let from = 0; from < 3 * perSend; from += perSend) {
    await system.sendAfresh(
      Array.from({ length: perSend }, (_, k) => {
        const i = from + k;
        return padded(
          { id: `full-${i}`, account: `f${i % 96}`, amount: (i * 37) % 1_000, at: startMs + i * 1_000 },
          bytes,
        );
      }),
    );
  }
}

/** Each alone, because a request may be no longer than a record; once of what the codec makes short, once of what it cannot. */
async function sendLargeRecords({ system, random }: RowContext): Promise<void> {
  const noise = (length: number) =>
    Buffer.from(Array.from({ length }, () => random.whole(0, 255)))
      .toString('base64')
      .slice(0, length);
  for (const [i, bytes] of [...contentSizes, ...contentSizes].entries()) {
    const event = { id: `large-${i}`, account: 'large', amount: i, at: startMs + i * 1_000 };
    await system.sendAfresh([{ partition: 0, ...padded(event, bytes, i < contentSizes.length ? undefined : noise) }]);
  }
}

/** Puts a file where the lake was, or the lake back. Workers have to stand still meanwhile: they must not make a new one. */
function letLakeTake(system: FaultSystem, take: boolean): void {
  const aside = `${system.lakeDir}-aside`;
  if (take) {
    rmSync(system.lakeDir);
    renameSync(aside, system.lakeDir);
  } else {
    renameSync(system.lakeDir, aside);
    writeFileSync(system.lakeDir, 'no folder\n');
  }
}

/** The most deliveries that one of the open runs waits for. Only those with a review go to all five. */
async function mostPending({ temporal }: FaultSystem): Promise<number> {
  const query = `WorkflowType = 'processBatch' AND ExecutionStatus = 'Running' AND ${searchAttributes.outcomes.name} = 'review'`;
  let most = 0;
  let looked = 0;
  for await (const { workflowId } of temporal.workflow.list({ query, pageSize: 20 })) {
    const { raw } = await temporal.workflow.getHandle(workflowId).describe();
    most = Math.max(most, raw.pendingActivities?.length ?? 0);
    if (++looked === 20) break;
  }
  return most;
}

/** Watches until then. Returns the most deliveries that a batch waited for. */
async function watchFailing(context: RowContext, endMs: number): Promise<number> {
  const { system } = context;
  let [openMost, pendingMost] = [0, 0];
  while (Date.now() < endMs) {
    openMost = Math.max(openMost, await openBatches(system));
    pendingMost = Math.max(pendingMost, await mostPending(system));
    await context.pause(500);
  }
  if (openMost > openMax + 120) context.problems.push(`${openMost} runs were open, far above the limit of ${openMax}`);
  return pendingMost;
}

/** Batches with as many records as one may have. */
async function fullBatches({ temporal }: FaultSystem, where = "ExecutionStatus != 'Terminated'"): Promise<number> {
  let count = 0;
  for await (const { memo } of temporal.workflow.list({ query: `WorkflowType = 'processBatch' AND ${where}` }))
    if ((memo as { count: number }).count === batchRecordsMax) count++;
  return count;
}

export const oversizeAndFiveSinks: Row = {
  name: 'oversize-and-five-sinks',
  about: `batches and records at and over their caps, while dashboard, lake, decisions, reviews and ledger all fail, for up to ${failingMs / 1_000} s: each is decided or too large, and delivered afterwards`,
  needs: { env: { HEADRACE_OPEN_BATCHES_MAX: String(openMax) } },
  async run(context) {
    const { system } = context;
    const { kafka, postgres } = system.servers;
    await context.recovered();
    const fromMs = Date.now();
    await Promise.all(system.bridges.map((bridge) => bridge.stop()));
    await sendFullBatches(system);
    await sendLargeRecords(context);
    for (const worker of system.workers) worker.freeze();
    for (const bridge of system.bridges) bridge.start();
    // Each partition has one batch that is not decided yet, and all its deliveries lie ahead.
    await until(
      'a full batch waits in each partition',
      async () => (await fullBatches(system, "ExecutionStatus = 'Running'")) >= system.partitions,
      { everyMs: 300, detail: () => system.logs() },
    );
    await Promise.all([kafka.proxy.set({ kind: 'refuse' }), postgres.proxy.set({ kind: 'refuse' })]);
    letLakeTake(system, false);
    for (const worker of system.workers) worker.thaw();
    context.fault('all five sinks fail');
    const pending = await watchFailing(context, Date.now() + failingMs / 2);
    await kafka.proxy.heal();
    context.fault('four sinks fail, and more batches come');
    await watchFailing(context, Date.now() + failingMs / 2);
    for (const worker of system.workers) worker.freeze();
    letLakeTake(system, true);
    for (const worker of system.workers) worker.thaw();
    await postgres.proxy.heal();
    await context.recovered(Date.now() - fromMs);
    context.mustHappen('deliveries of one batch failed at once', pending, 5);
    context.mustHappen('batches had as many records as one may have', await fullBatches(system), 2 * system.partitions);
  },
  async verify(context) {
    const { system } = context;
    const letters = await deadLetters(system);
    const tooLarge = new Set<string>();
    for (const [partition, records] of await readTopic(system, system.topic)) {
      for (const record of records) {
        if ((record.key?.length ?? 0) + (record.value?.length ?? 0) > recordBytesMax)
          tooLarge.add(
            eventKey(
              { deployment: 'test', pipeline: system.name, epoch: 0, topic: system.topic, partition },
              record.offset,
            ),
          );
      }
    }
    for (const key of tooLarge) context.refused.add(key);
    context.mustHappen('records were too large', tooLarge.size, 4);
    return [
      ...[...tooLarge]
        .filter((key) => letters.get(key)?.[0] !== 'RECORD_TOO_LARGE')
        .map((key) => `${key}: too large, and no dead letter says so`),
      ...[...letters.keys()]
        .filter((key) => !tooLarge.has(key))
        .map((key) => `${key}: a dead letter for a record that may travel (${letters.get(key)!.join(', ')})`),
    ];
  },
};
