import { dataDirOption } from './options.ts';
import type { Command } from 'commander';
import type { Client } from '../temporal/connection.ts';
import { batchWorkflowId, parseBatchId } from '../contracts/event-key.ts';
import type { IncompleteRuns } from '../contracts/batch-runs.ts';
import { messageOf } from '../contracts/failures.ts';
import { supersededBy } from '../ledger/check-partitions.ts';
import { createPool } from '../database/pool.ts';
import { readLedger } from '../ledger/read-ledger.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { createBatchRuns } from '../temporal/runs.ts';
import { redrive, type RedrivePoint } from '../temporal/redrive.ts';
import { connectTemporal } from '../temporal/connection.ts';
import { systemConfig } from './system-config.ts';

interface RedriveOptions {
  all?: true;
  again?: true;
  dataDir?: string;
}

/** What `--all` takes at once; called again, it takes the next ones. */
const allMax = 1_000;

const kept: Record<RedrivePoint['keeps'], string> = {
  decisions: 'its recorded decisions are delivered again, and each sink keeps one effect of each',
  'first task': 'it goes on with what it had recorded; nothing had been delivered',
  nothing: 'it begins anew; nothing had been delivered',
};

/** Adds `headrace redrive`: lets batches that were terminated, cancelled or failed do what is left of their work. */
export function registerRedrive(program: Command): void {
  program
    .command('redrive')
    .description(
      'Re-drive batches that ended without completing ("headrace status --verify" names them), by the Temporal reset that neither loses nor doubles an effect.',
    )
    .argument('[run...]', 'workflow ids of batches, also without their "batch:"')
    .option('--all', `every batch of the deployment that ended without completing, up to ${allMax} at once`)
    .option('--again', 'also a batch that has completed: for a sink that has lost what it had taken')
    .option(...dataDirOption)
    .option('--verbose', 'show stacks of errors')
    .action(redriveRuns);
}

async function redriveRuns(ids: string[], { all, again, dataDir }: RedriveOptions): Promise<void> {
  if (ids.length > 0 === (all === true)) throw new Error('name the batches to re-drive, or give --all');
  if (all && again)
    throw new Error(
      '--all takes the batches that have not completed, and --again those that are named; give one of them',
    );
  const { config } = systemConfig(dataDir, process.env);
  const client = await connectTemporal(config);
  try {
    const found = all ? await findAll(client, config) : undefined;
    const workflowIds = found?.runs.map(({ workflowId }) => workflowId) ?? ids.map(withPrefix);
    for (const workflowId of workflowIds) await redriveOne(client, workflowId, again === true);
    if (found)
      process.stdout.write(
        `${workflowIds.length} batches that ended without completing${found.more ? '; there are more: run the command again' : ''}\n`,
      );
    if (found?.unexamined)
      throw new Error(
        'more runs have ended without completing than can be looked at, most of them re-driven, so others may be left; a shorter retention of the namespace makes them fewer',
      );
  } finally {
    await client.connection.close();
  }
}

/** Batches of an epoch that a newer one replaced are moot, and which those are the ledger says: a shell may have any HEADRACE_EPOCH. */
async function findAll(client: Client, { database, deployment }: Config): Promise<IncompleteRuns> {
  const pool = await createPool(database.url, { max: 1, applicationName: 'headrace redrive' });
  try {
    return await createBatchRuns(client, deployment).incomplete(
      allMax,
      supersededBy(await readLedger(pool, deployment)),
    );
  } finally {
    await pool.end();
  }
}

/** One that cannot be re-driven holds up no other. */
async function redriveOne(client: Client, workflowId: string, again: boolean): Promise<void> {
  try {
    const { runId, point } = await redrive(client, workflowId, { again });
    process.stdout.write(`${workflowId} is re-driven as run ${runId}: ${kept[point.keeps]}\n`);
  } catch (error) {
    process.stderr.write(`${workflowId} is not re-driven: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

function withPrefix(id: string): string {
  const batch = parseBatchId(`batch:${id.replace(/^batch:/, '')}`);
  return batchWorkflowId(batch, batch.sequence);
}
