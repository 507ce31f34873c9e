import type { Admin } from 'kafkajs';
import type { BatchRun, BatchRunsPort } from '../contracts/batch-runs.ts';
import { checkChain, isBroken, withoutSuperseded, type ChainReport } from '../database/check-chains.ts';
import type { Pool } from '../database/pool.ts';
import { readLedger } from '../database/ranges.ts';

/** What `headrace status --verify --output json` prints. */
export interface VerifyReport {
  deployment: string;
  /** False when anything is wrong. */
  ok: boolean;
  chains: ChainReport[];
  /** Pipelines that are expected, and of which the ledger has no batch. */
  without: string[];
  /** Batches that ended without completing; `more` says that there are others. */
  incomplete: { runs: BatchRun[]; more: boolean };
  /** Batches that have been open for too long: how many, and the first ones. */
  overdue: { total: number; olderThanSeconds: number; runs: BatchRun[] };
}

export interface VerifyOptions {
  deployment: string;
  pipelines: readonly string[];
  pool: Pool;
  runs: BatchRunsPort;
  admin: Pick<Admin, 'fetchOffsets'>;
  groupOf(pipeline: string): string;
  overdueSeconds: number;
  nowMs?: number;
}

const incompleteMax = 1_000;
const overdueListedMax = 10;

/**
 * Checks that every record of a deployment has been started in one batch, and that every batch has completed or is on its way.
 * Reads only.
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { deployment, pipelines, pool, runs, overdueSeconds, nowMs = Date.now() } = options;
  // The commits first: what they cover had been started by then, and is in the ledger or in Temporal.
  const topics = distinctTopics(await readLedger(pool, deployment));
  const commits = await readCommits(topics, options);
  const ledger = await readLedger(pool, deployment);
  const [incomplete, overdue] = await Promise.all([runs.incomplete(incompleteMax), runs.openSince(nowMs - overdueSeconds * 1_000, overdueListedMax)]);
  const chains: ChainReport[] = [];
  for (const each of ledger) {
    const { pipeline, topic, partition } = each.chain;
    const asked = commits.get(`${pipeline}:${topic}`);
    chains.push(await checkChain(each, runs, asked && (asked.get(partition) ?? null)));
  }
  const known = withoutSuperseded(incomplete.runs, ledger);
  const all = [...new Map([...known, ...chains.flatMap((chain) => chain.incomplete)].map((run) => [run.workflowId, run])).values()];
  return {
    deployment,
    ok: all.length === 0 && !incomplete.more && overdue.total === 0 && !chains.some(isBroken),
    chains,
    without: pipelines.filter((name) => !ledger.some(({ chain }) => chain.pipeline === name)),
    incomplete: { runs: all, more: incomplete.more },
    overdue: { ...overdue, olderThanSeconds: overdueSeconds },
  };
}

function distinctTopics(ledger: Awaited<ReturnType<typeof readLedger>>): { pipeline: string; topic: string }[] {
  return [...new Map(ledger.map(({ chain: { pipeline, topic } }) => [`${pipeline}:${topic}`, { pipeline, topic }])).values()];
}

/** Committed offsets by `<pipeline>:<topic>` and partition; a partition that has none is left out. */
async function readCommits(topics: readonly { pipeline: string; topic: string }[], { admin, groupOf }: VerifyOptions): Promise<Map<string, Map<number, number>>> {
  const commits = new Map<string, Map<number, number>>();
  for (const { pipeline, topic } of topics) {
    const [found] = await admin.fetchOffsets({ groupId: groupOf(pipeline), topics: [topic] });
    const offsets = (found?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)] as const);
    commits.set(`${pipeline}:${topic}`, new Map(offsets.filter(([, offset]) => offset >= 0)));
  }
  return commits;
}
