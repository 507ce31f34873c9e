import type { Admin } from 'kafkajs';
import type { BatchRun, BatchRunsPort, IncompleteRuns } from '../contracts/batch-runs.ts';
import { checkChain, isBroken, supersededBy, type ChainReport } from '../database/check-chains.ts';
import type { Pool } from '../database/pool.ts';
import { readLedger } from '../database/ranges.ts';
import { explainWithoutChain, findUnread, readCommits, type Unread, type WithoutChain } from './commits.ts';

/** What `headrace status --verify --output json` prints. */
export interface VerifyReport {
  deployment: string;
  /** False when anything is wrong. */
  ok: boolean;
  chains: ChainReport[];
  /** Pipelines that are expected, and of which the ledger has no batch. */
  without: string[];
  /** Partitions that are committed, and of which the ledger has no batch. */
  withoutChain: WithoutChain[];
  /** Partitions that hold records, and in which no bridge has begun. A new partition is found within half a minute. */
  unread: Unread[];
  /** Batches that ended without completing. */
  incomplete: IncompleteRuns;
  /** Batches that have been open for too long: how many, and the first ones. */
  overdue: { total: number; olderThanSeconds: number; runs: BatchRun[] };
}

export interface VerifyOptions {
  deployment: string;
  /** Of commits that do not say theirs. */
  epoch: number;
  pipelines: readonly string[];
  pool: Pool;
  runs: BatchRunsPort;
  admin: Pick<Admin, 'fetchOffsets' | 'listTopics' | 'fetchTopicOffsets'>;
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
  const { deployment, pool, runs, admin, overdueSeconds, nowMs = Date.now() } = options;
  // The commits first: what they cover had been started by then, and is in the ledger or in Temporal.
  const pipelines = [...new Set([...options.pipelines, ...(await readLedger(pool, deployment)).map(({ chain }) => chain.pipeline)])];
  const commits = await readCommits(pipelines, admin, options.groupOf);
  const ledger = await readLedger(pool, deployment);
  const isMoot = supersededBy(ledger);
  const [incomplete, overdue] = await Promise.all([runs.incomplete(incompleteMax, isMoot), runs.openSince(nowMs - overdueSeconds * 1_000, overdueListedMax)]);
  const unseen = new Map(commits.map((commit) => [placeOf(commit), commit]));
  const chains: ChainReport[] = [];
  for (const each of ledger) {
    const place = placeOf(each.chain);
    // Of a pipeline that came into the ledger just now, nothing was asked.
    const committed = pipelines.includes(each.chain.pipeline) ? (unseen.get(place)?.offset ?? null) : undefined;
    unseen.delete(place);
    chains.push(await checkChain(each, runs, committed));
  }
  chains.sort((a, b) => comparePlaces(a.chain, b.chain));
  const withoutChain = await explainWithoutChain([...unseen.values()], { ...options, isMoot });
  const all = [...new Map([...incomplete.runs, ...chains.flatMap((chain) => chain.incomplete)].map((run) => [run.workflowId, run])).values()];
  return {
    deployment,
    ok: all.length === 0 && !incomplete.more && !incomplete.unexamined && overdue.total === 0 && !chains.some(isBroken) && !withoutChain.some(({ unbatched }) => unbatched),
    chains,
    without: pipelines.filter((name) => !ledger.some(({ chain }) => chain.pipeline === name)),
    withoutChain: withoutChain.sort(comparePlaces),
    unread: await findUnread([...commits, ...ledger.map(({ chain }) => chain)], admin),
    incomplete: { ...incomplete, runs: all },
    overdue: { ...overdue, olderThanSeconds: overdueSeconds },
  };
}

type Place = { pipeline: string; topic: string; partition: number };

function comparePlaces(a: Place, b: Place): number {
  return a.pipeline.localeCompare(b.pipeline) || a.topic.localeCompare(b.topic) || a.partition - b.partition;
}

function placeOf({ pipeline, topic, partition }: Place): string {
  return `${pipeline}:${topic}:${partition}`;
}
