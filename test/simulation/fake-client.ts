import {
  WorkflowNotFoundError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
  type WithStartWorkflowOperation,
} from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { workflowNames, type BatchInput, type BatchMemo, type ScoredReply } from '../../contracts/names.ts';
import { AlreadyStarted, UpdateNotFound, type Run } from './fake-temporal.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** The SDK's client in one process: what the bridge's starter uses of it, over a network that loses requests and replies. */
export function createFakeClient(world: World, process: SimProcess): Client {
  let deadlineMs = Infinity;
  const call = <T>(act: (answer: (answer: T | Error) => void) => void) => callServer(world, process, deadlineMs, act);
  const workflow = {
    executeUpdateWithStart(
      _: string,
      { startWorkflowOperation }: { startWorkflowOperation: WithStartWorkflowOperation<any> },
    ): Promise<ScoredReply> {
      const { workflowId, memo, args } = startWorkflowOperation.options;
      const [{ batch }, records] = args as unknown as [BatchInput, Uint8Array];
      const startId = world.mutant.namelessStarts ? `${batch.sequence}` : batch.startId!;
      const request = {
        workflowId,
        memo: { ...(memo as unknown as BatchMemo), startId },
        batch: { ...batch, startId },
        records,
      };
      const sentMs = world.scheduler.nowMs;
      return process
        .during('a start had not come to Temporal', (at) =>
          call<ScoredReply>((answer) => {
            at('a start had come to Temporal, and its answer not back');
            // No request is on its way for longer than the retention of closed runs.
            if (world.temporal.hasExpiredSince(workflowId, sentMs)) return;
            world.temporal.updateWithStart(request, answer);
          }),
        )
        .catch((error: unknown) => {
          if (error instanceof AlreadyStarted)
            throw new WorkflowExecutionAlreadyStartedError(error.message, workflowId, workflowNames.processBatch);
          return asOfUpdate(error);
        });
    },
    /** Visibility: open runs first, then those that closed last. */
    async *list({ query }: { query: string }) {
      const prefix = /STARTS_WITH '([^']+)'/.exec(query)![1]!;
      for (const run of await call<Run[]>((answer) => answer(world.temporal.visible(prefix))))
        yield { workflowId: run.workflowId, memo: run.memo, status: { name: run.status } };
    },
    getHandle: (workflowId: string, runId?: string) => ({
      describe: () => call<unknown>((answer) => answer(describe(world.temporal.current(workflowId)))),
      getUpdateHandle: () => ({
        result: () => call<ScoredReply>((answer) => world.temporal.pollScored(workflowId, answer)).catch(asOfUpdate),
      }),
      fetchHistory: () =>
        call<unknown>((answer) =>
          answer({ events: historyOf(world.temporal.runs.get(workflowId)?.find((run) => run.runId === runId)) }),
        ),
    }),
  };
  const client = {
    workflow,
    withDeadline<T>(atMs: number, act: () => T): T {
      deadlineMs = atMs;
      return act();
    },
  };
  return client as unknown as Client;
}

class LostCall extends Error {}

/** As the SDK tells what became of an update. */
function asOfUpdate(error: unknown): never {
  if (error instanceof UpdateNotFound) throw new WorkflowNotFoundError(error.message, '', undefined);
  throw error instanceof LostCall ? new WorkflowUpdateRPCTimeoutOrCancelledError('deadline exceeded') : error;
}

/** A call, whose request or reply may be lost: then it ends at its deadline. */
function callServer<T>(
  world: World,
  process: SimProcess,
  deadlineMs: number,
  act: (answer: (answer: T | Error) => void) => void,
): Promise<T> {
  const { scheduler, random, trace, faults } = world;
  return new Promise((resolve, reject) => {
    process.after(Math.max(0, deadlineMs - scheduler.nowMs), () => reject(new LostCall('deadline exceeded')));
    const reply = (answer: T | Error) => {
      if (random.chance(faults.replyLost)) return trace.count('reply lost');
      process.after(random.whole(1, 20), () => (answer instanceof Error ? reject(answer) : resolve(answer)));
    };
    if (random.chance(faults.requestLost)) return trace.count('request lost');
    // A request can be on its way for longer than the deadline, and longer than its sender lives.
    const isSlow = random.chance(faults.requestSlow);
    scheduler.after(isSlow ? random.whole(500, 6_000) : random.whole(1, 20), () => {
      if (isSlow) trace.count('slow request');
      if (world.temporal.isDown || random.chance(faults.exhausted)) {
        trace.count('temporal refuses');
        return reply(new Error('RESOURCE_EXHAUSTED: namespace rate limit'));
      }
      act(reply);
    });
  });
}

function describe(run: Run | undefined): unknown {
  if (!run) return new WorkflowNotFoundError('workflow not found', '', undefined);
  return { workflowId: run.workflowId, runId: run.runId, status: { name: run.status }, memo: run.memo };
}

/** Of a history, what tells where to reset to. */
export function historyOf(run: Run | undefined): unknown[] {
  const events: unknown[] = [
    { eventId: 1 },
    { eventId: 2, workflowTaskScheduledEventAttributes: {} },
    { eventId: 3, workflowTaskStartedEventAttributes: {} },
  ];
  if (run?.isScored) events.push({ eventId: 4, workflowTaskCompletedEventAttributes: {} });
  if (run?.secondTaskStarted)
    events.push(
      { eventId: 7, timerFiredEventAttributes: {} },
      { eventId: 8, workflowTaskScheduledEventAttributes: {} },
      { eventId: 9, workflowTaskStartedEventAttributes: {} },
    );
  return events;
}
