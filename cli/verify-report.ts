import type { Admin } from '../kafka/connection.ts';
import type { BatchRun, BatchRunsPort, IncompleteRuns } from '../contracts/batch-runs.ts';
import { messageOf } from '../contracts/failures.ts';
import type { PartitionState } from '../contracts/partition-state.ts';
import { createPartitionCheck, isBroken, supersededBy, type PartitionReport } from '../ledger/check-partitions.ts';
import type { Pool } from '../database/pool.ts';
import { readLedger } from '../ledger/read-ledger.ts';
import type { LogReader } from '../kafka/log-reader.ts';
import type { Problem } from '../status/problems.ts';
import { explainWithoutBatch, findUnread, readCommits, type Unread, type WithoutBatch } from './commits.ts';

/** What `headrace status --verify --output json` prints. */
export interface VerifyReport {
  deployment: string;
  /** True when everything was looked at, and nothing is wrong. */
  ok: boolean;
  /** `unknown`: nothing wrong was found, and not everything could be looked at. */
  verdict: 'well' | 'wrong' | 'unknown';
  /** What the ledger has of each partition, and what breaks it. */
  ledger: PartitionReport[];
  /** Pipelines that are expected, and of which the ledger has no batch. */
  without: string[];
  /** Partitions that are committed, and of which the ledger has no batch. */
  withoutBatch: WithoutBatch[];
  /** Partitions that hold records, and in which no bridge has begun. A new partition is found within half a minute. */
  unread: Unread[];
  /** Batches that ended without completing. */
  incomplete: IncompleteRuns;
  /** Batches that have been open for too long: how many, and the first ones. */
  overdue: { total: number; olderThanSeconds: number; runs: BatchRun[] };
  /** How each partition stands. */
  partitions: PartitionState[];
  /** What stands, and why. */
  problems: Problem[];
  /** What could not be looked at, and why. */
  unknown: Record<string, string>;
}

export interface VerifyOptions {
  deployment: string;
  /** Of commits that do not say theirs. */
  epoch: number;
  pipelines: readonly string[];
  pool: Pool;
  runs: BatchRunsPort;
  kafka: { admin: Pick<Admin, 'fetchOffsets' | 'listTopics'>; logs: Pick<LogReader, 'ends'> };
  groupOf(pipeline: string): string;
  overdueSeconds: number;
  nowMs?: number;
}

/** Of servers that do not answer there is no port. */
export type BatchOptions = Omit<VerifyOptions, 'pool' | 'runs' | 'kafka'> &
  Partial<Pick<VerifyOptions, 'pool' | 'runs' | 'kafka'>>;

const incompleteMax = 1_000;
const overdueListedMax = 10;

/**
 * Checks that every record of a deployment has been started in one batch, and that every batch has completed or is on its way, as far
 * as its servers answer. Reads only.
 */
export async function verifyBatches(options: BatchOptions): Promise<VerifyReport> {
  const { pool, runs, kafka } = options;
  try {
    if (pool && runs && kafka) return await verify({ ...options, pool, runs, kafka });
    const missing = [...(pool ? [] : ['Postgres']), ...(runs ? [] : ['Temporal']), ...(kafka ? [] : ['Kafka'])];
    throw new Error(`no answer from ${missing.join(' and ')}`);
  } catch (error) {
    return withoutLedger(options, messageOf(error));
  }
}

/** What Temporal alone tells. */
async function withoutLedger(
  { deployment, runs, overdueSeconds, nowMs = Date.now() }: BatchOptions,
  reason: string,
): Promise<VerifyReport> {
  const unknown: Record<string, string> = { 'batches of each partition': reason };
  const none: VerifyReport = {
    deployment,
    ok: false,
    verdict: 'unknown',
    ledger: [],
    without: [],
    withoutBatch: [],
    unread: [],
    partitions: [],
    problems: [],
    unknown,
    incomplete: { runs: [], more: false, unexamined: false },
    overdue: { total: 0, olderThanSeconds: overdueSeconds, runs: [] },
  };
  if (!runs) return none;
  try {
    const [incomplete, overdue] = await Promise.all([
      runs.incomplete(incompleteMax, () => false),
      runs.openSince(nowMs - overdueSeconds * 1_000, overdueListedMax),
    ]);
    return { ...none, incomplete, overdue: { ...overdue, olderThanSeconds: overdueSeconds } };
  } catch (error) {
    return { ...none, unknown: { ...unknown, 'runs in Temporal': messageOf(error) } };
  }
}

/** The report with what follows from all of it. */
export function withVerdict(report: VerifyReport): VerifyReport {
  const { incomplete, overdue, ledger, withoutBatch, problems, unknown } = report;
  const isWrong =
    incomplete.runs.length > 0 ||
    incomplete.more ||
    incomplete.unexamined ||
    overdue.total > 0 ||
    ledger.some(isBroken) ||
    withoutBatch.some(({ unbatched }) => unbatched) ||
    problems.length > 0;
  const verdict = isWrong ? 'wrong' : Object.keys(unknown).length > 0 ? 'unknown' : 'well';
  return { ...report, verdict, ok: verdict === 'well' };
}

/** Checks the batches, where all servers answer. */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { deployment, pool, runs, kafka, overdueSeconds, nowMs = Date.now() } = options;
  // The commits first: what they cover had been started by then, and is in the ledger or in Temporal.
  const pipelines = [
    ...new Set([
      ...options.pipelines,
      ...(await readLedger(pool, deployment)).map(({ partition }) => partition.pipeline),
    ]),
  ];
  const commits = await readCommits(pipelines, kafka.admin, options.groupOf);
  const ledger = await readLedger(pool, deployment);
  const isMoot = supersededBy(ledger);
  const unknown: Record<string, string> = {};
  const [incomplete, overdue] = await Promise.all([
    runs.incomplete(incompleteMax, isMoot),
    runs.openSince(nowMs - overdueSeconds * 1_000, overdueListedMax),
  ]);
  const unseen = new Map(commits.map((commit) => [placeOf(commit), commit]));
  const check = createPartitionCheck(runs, incomplete.runs);
  const reports: PartitionReport[] = [];
  for (const each of ledger) {
    const place = placeOf(each.partition);
    // Of a pipeline that came into the ledger just now, nothing was asked.
    const commit = pipelines.includes(each.partition.pipeline) ? (unseen.get(place) ?? null) : undefined;
    unseen.delete(place);
    reports.push(await check(each, commit));
  }
  reports.sort((a, b) => comparePlaces(a.partition, b.partition));
  const withoutBatch = await explainWithoutBatch([...unseen.values()], { ...options, ...kafka, isMoot, unknown });
  const all = [
    ...new Map(
      [...incomplete.runs, ...reports.flatMap((report) => report.incomplete)].map((run) => [run.workflowId, run]),
    ).values(),
  ];
  return withVerdict({
    deployment,
    ok: true,
    verdict: 'well',
    ledger: reports,
    without: pipelines.filter((name) => !ledger.some(({ partition }) => partition.pipeline === name)),
    withoutBatch: withoutBatch.sort(comparePlaces),
    unread: await findUnread([...commits, ...ledger.map(({ partition }) => partition)], kafka, unknown),
    incomplete: { ...incomplete, runs: all },
    overdue: { ...overdue, olderThanSeconds: overdueSeconds },
    partitions: [],
    problems: [],
    unknown,
  });
}

type Place = { pipeline: string; topic: string; partition: number };

function comparePlaces(a: Place, b: Place): number {
  return a.pipeline.localeCompare(b.pipeline) || a.topic.localeCompare(b.topic) || a.partition - b.partition;
}

function placeOf({ pipeline, topic, partition }: Place): string {
  return `${pipeline}:${topic}:${partition}`;
}
