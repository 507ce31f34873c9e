import { fileURLToPath } from 'node:url';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createReviewActivities } from '../../activities/project-review.ts';
import { eventKey, reviewWorkflowId } from '../../contracts/event-key.ts';
import type { ReviewInput, ReviewLabel } from '../../contracts/review.ts';
import type { Pool } from '../../database/pool.ts';
import { createReviewStarter } from '../../temporal/review-starter.ts';
import { openDatabase } from '../database/open.ts';
import { createNamespace, startLiveServers, uniqueName } from '../stack/live.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

export const workflowsPath = fileURLToPath(new URL('../../workflows/review.ts', import.meta.url));

/** A worker that runs reviews on a real Temporal and a real Postgres, with labels kept in memory. */
export interface ReviewRig {
  client: Client;
  pool: Pool;
  databaseUrl: string;
  address: string;
  taskQueue: string;
  labels: ReviewLabel[];
  /** Set to make the label topic refuse. */
  labelFailure: { error?: Error };
  start(input: ReviewInput): Promise<string>;
  close(): Promise<void>;
}

/** Input of the review of one offset. */
export function reviewInput(offset: number, parts: Partial<ReviewInput> = {}): ReviewInput {
  return {
    eventKey: eventKey({ deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders', partition: 0 }, offset),
    eventId: `order-${offset}`,
    pipeline: 'orders',
    title: `Order of 12.50 | at\nshop 9`,
    outcome: 'review',
    why: 'score 0.7',
    entities: { customer: 'ann@example.org', shop: '9' },
    eventTimeMs: 1_760_000_000_000,
    verdicts: ['fraud', 'genuine'],
    timeoutMs: 3_600_000,
    ...parts,
  };
}

export async function startReviewRig(): Promise<ReviewRig> {
  const { temporal } = await startLiveServers({ temporal: true });
  const { pool, url: databaseUrl } = await openDatabase();
  const namespace = await createNamespace(temporal.address);
  const taskQueue = uniqueName('reviews');
  const labels: ReviewLabel[] = [];
  const labelFailure: { error?: Error } = {};
  const publishLabel = (label: ReviewLabel) => {
    if (labelFailure.error) return Promise.reject(labelFailure.error);
    labels.push(label);
    return Promise.resolve();
  };
  const connection = await NativeConnection.connect({ address: temporal.address });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowsPath,
    bundlerOptions: { preloadModules: [workflowsPath] },
    activities: createReviewActivities({ pool, publishLabel }),
  });
  const running = worker.run();
  const clientConnection = await Connection.connect({ address: temporal.address });
  const client = new Client({ connection: clientConnection, namespace });
  const startReview = createReviewStarter(client, { taskQueue, log: { warn: () => undefined } });
  return {
    client,
    pool,
    databaseUrl,
    taskQueue,
    address: temporal.address,
    labels,
    labelFailure,
    async start(input) {
      await startReview(input, new AbortController().signal);
      return reviewWorkflowId(input.eventKey);
    },
    async close() {
      for await (const { workflowId } of client.workflow.list({ query: "ExecutionStatus = 'Running'" })) {
        // The list is up to half a second late: a run may have ended since.
        await client.workflow
          .getHandle(workflowId)
          .terminate()
          .catch((error: unknown) => {
            if (!(error instanceof WorkflowNotFoundError)) throw error;
          });
      }
      worker.shutdown();
      await running;
      await connection.close();
      await clientConnection.close();
      await pool.end();
    },
  };
}
