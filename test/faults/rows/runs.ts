import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInferenceClient } from '@headrace/inference-client';
import { type WorkflowExecutionInfo, WorkflowNotFoundError } from '@temporalio/client';
import { redrive, redrivePoint } from '../../../temporal/redrive.ts';
import { openBatches } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import { linearModels } from '../system/fault-servers.ts';
import type { FaultSystem } from '../system/fault-system.ts';
import type { Row, RowContext } from '../row.ts';

/** Holds the dashboard up while work goes on, so that batches are decided and not delivered everywhere. */
async function withDashboardHeld(context: RowContext, openLeast: number, work: () => Promise<void>): Promise<void> {
  const { system } = context;
  const blocker = await system.pool.connect();
  try {
    await blocker.query('begin; lock table decisions in access exclusive mode');
    await until(
      `${openLeast} batches are decided and not delivered`,
      async () => (await openBatches(system)) >= openLeast,
      { detail: () => system.logs() },
    );
    await work();
  } finally {
    // Ends the connection, and with it the transaction.
    blocker.release(true);
  }
}

/** Makes a version of the model the latest one, or takes it away. */
async function serveVersion2(system: FaultSystem, present: boolean): Promise<void> {
  const folder = join(system.servers.repository, 'linear', '2');
  if (present) cpSync(join(linearModels, 'linear', '2'), folder, { recursive: true });
  else rmSync(folder, { recursive: true, force: true });
  const client = createInferenceClient({ address: system.servers.models.direct.address });
  try {
    await client.loadModel('linear');
  } finally {
    await client.close();
  }
}

export const modelChanges: Row = {
  name: 'model-changes',
  about:
    'both workers are killed between inference and delivery while the model changes its version, 3 times: all sinks agree',
  async run(context) {
    const { system } = context;
    for (const present of [true, false, true]) {
      await withDashboardHeld(context, 8, async () => {
        await Promise.all(system.workers.map((worker) => worker.kill()));
        context.fault(`SIGKILL both workers; version ${present ? 2 : 1} is served from now on`);
        // Of the eight that were seen, some may have just been scored, and be closed by now.
        context.mustHappen('decided batches were waiting for a sink', await openBatches(system), 4);
        await serveVersion2(system, present);
        for (const worker of system.workers) worker.start();
        await Promise.all(system.workers.map((worker) => worker.ready()));
        await context.pause(0, 3_000);
      });
      await context.recovered();
    }
    const { rows } = await system.pool.query<{ count: string }>(
      'select count(distinct model_version) as count from decisions',
    );
    context.mustHappen('versions that decided', Number(rows[0]!.count), 2);
  },
};

/** Resets a run while it runs, to where a re-drive would begin. */
async function resetRunning({ temporal }: FaultSystem, { workflowId, runId }: WorkflowExecutionInfo): Promise<void> {
  const { events } = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
  await temporal.workflowService.resetWorkflowExecution({
    namespace: temporal.options.namespace,
    workflowExecution: { workflowId, runId },
    reason: 'a fault',
    requestId: `reset-${runId}`,
    workflowTaskFinishEventId: redrivePoint(events ?? []).eventId as never,
  });
}

/** What is done to open runs from outside, in turn. */
const endings: readonly {
  told: string;
  hit: (system: FaultSystem, run: WorkflowExecutionInfo) => Promise<unknown>;
}[] = [
  { told: 'cancelled', hit: ({ temporal }, run) => temporal.workflow.getHandle(run.workflowId, run.runId).cancel() },
  {
    told: 'terminated and re-driven',
    async hit({ temporal }, run) {
      await temporal.workflow.getHandle(run.workflowId, run.runId).terminate('a fault');
      await redrive(temporal, run.workflowId);
    },
  },
  { told: 'reset while it ran', hit: resetRunning },
];

export const endedFromOutside: Row = {
  name: 'ended-from-outside',
  about:
    'runs are cancelled (which has no effect), terminated and re-driven as `headrace redrive` does, and reset while they run',
  async run(context) {
    const { system, random } = context;
    await withDashboardHeld(context, 30, async () => {
      const open: WorkflowExecutionInfo[] = [];
      for await (const run of system.temporal.workflow.list({
        query: "WorkflowType = 'processBatch' AND ExecutionStatus = 'Running'",
      }))
        open.push(run);
      let hits = 0;
      for (const run of random.shuffle(open)) {
        if (hits === 24) break;
        const end = endings[hits % endings.length]!;
        try {
          await end.hit(system, run);
        } catch (error) {
          // The list lags behind: this run had its last delivery before the dashboard was held, and is closed.
          if (error instanceof WorkflowNotFoundError) continue;
          throw error;
        }
        hits += 1;
        context.fault(`${run.workflowId} was ${end.told}`);
      }
      context.mustHappen('open runs were hit', hits, 20);
    });
    await context.recovered();
  },
};
