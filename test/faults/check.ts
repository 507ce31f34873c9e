import { eventKey } from '../../contracts/event-key.ts';
import type { BatchMemo } from '../../contracts/names.ts';
import type { KafkaRecord } from '../../contracts/records-frame.ts';
import { batchRanges, dashboardRows, decisionMessages, lakeRows, readTopic, reviews } from '../live/collect.ts';
import { chainProblems, differences, recompute, type Expected, type Found } from '../live/oracle.ts';
import { until } from '../live/wait.ts';
import type { Ledger } from './ledger.ts';
import type { SeenCommit } from './monitor.ts';
import type { RowContext } from './row.ts';
import type { FaultSystem } from './system/fault-system.ts';
import { verified } from './system/verified.ts';

/** What came out of comparing everything with everything. */
export interface Verdict {
  /** Events that the topic holds. */
  events: number;
  /** Effects that are missing in a sink. */
  lost: number;
  /** Effects that a sink has more than once, or that belong to no event. */
  duplicated: number;
  /** Every disagreement, in words. */
  problems: string[];
}

export interface CheckOptions {
  /** What this row's faults make meaningless. */
  skip?: readonly ('chain' | 'ledger')[];
}

/** Of one kind: a lost batch is hundreds of lost events, and must not hide what else is wrong. */
const problemsMax = 8;

/**
 * Compares every sink with what the records alone say (I1, I2 and that all sinks agree), the chain (I3), the commits that were seen
 * (I4), and the topic with what producers were told.
 */
export async function checkEverything(
  context: RowContext,
  ledger: Ledger,
  { skip = [] }: CheckOptions = {},
): Promise<Verdict> {
  const { system } = context;
  const { expected, records } = await expectations(context);
  const dashboard = await dashboardRows(system);
  const { found: decisions, disagreeing } = await decisionMessages(system);
  // What the other sinks do not have will not come to the lake either.
  const patient = !context.brief && differences(expected, dashboard).length === 0;
  const { lake, lakeProblems } = await lakeAsFarAsItCame(system, expected.size, patient ? 150_000 : 20_000);
  const bySink = [
    ...named('dashboard', differences(expected, dashboard)),
    ...named('decisions', [...differences(expected, decisions), ...disagreeing]),
    ...named('lake', [...lakeProblems, ...differences(expected, lake)]),
    ...named('reviews', await reviewProblems(system, dashboard)),
    ...named('minutes', await minuteProblems(system)),
    ...named('agreement', agreement(dashboard, { decisions, lake })),
  ];
  const problems = [
    ...bySink,
    ...(skip.includes('chain') ? [] : named('chain', await rangeProblems(system, expected, context.monitor.seen))),
    // What retention took before it was read is a hole, and named as one; a recreated topic's batches are told apart by their epoch only.
    ...(skip.includes('chain') || context.lost.size > 0 || context.epoch > 0
      ? []
      : named('verify', await verified(system))),
    ...(skip.includes('ledger')
      ? []
      : named(
          'ledger',
          ledger.problems(records.values(), ({ value }) => idOf(value)),
        )),
  ];
  const count = (pattern: RegExp) => bySink.filter((problem) => pattern.test(problem)).length;
  return {
    events: expected.size,
    lost: count(/: lost$/),
    duplicated: count(/: (twice|not expected)$/),
    problems: briefly(problems),
  };
}

/** The lake's rows; when not all of them come in time, those that did, so that what is lost can be counted. */
async function lakeAsFarAsItCame(
  system: FaultSystem,
  count: number,
  timeoutMs: number,
): Promise<{ lake: Found[]; lakeProblems: string[] }> {
  try {
    return { lake: await lakeRows(system, count, timeoutMs), lakeProblems: [] };
  } catch (error) {
    return { lake: await lakeRows(system, 0), lakeProblems: [String(error).slice(0, 300)] };
  }
}

/** Every event as the records alone say: those that the topic holds, and those that a row has kept aside before it deleted them. */
async function expectations({
  system,
  archive,
  lost,
  refused,
  epoch,
}: RowContext): Promise<{ expected: Map<string, Expected>; records: Map<number, readonly KafkaRecord[]> }> {
  const present = await readTopic(system, system.topic);
  if (epoch > 0) {
    return {
      expected: new Map([
        ...recompute(system.name, system.topic, archive),
        ...recompute(system.name, system.topic, present, epoch),
      ]),
      records: present,
    };
  }
  const records = new Map<number, readonly KafkaRecord[]>();
  for (const [partition, list] of present) {
    const byOffset = new Map([...(archive.get(partition) ?? []), ...list].map((record) => [record.offset, record]));
    records.set(
      partition,
      [...byOffset.values()].toSorted((a, b) => a.offset - b.offset),
    );
  }
  const read = [...records].map(([partition, list]) => {
    const gone = lost.get(partition) ?? { from: 0, to: 0 };
    const isEvent = (offset: number) =>
      (offset < gone.from || offset >= gone.to) &&
      !refused.has(
        eventKey({ deployment: 'test', pipeline: system.name, epoch, topic: system.topic, partition }, offset),
      );
    return [partition, list.filter(({ offset }) => isEvent(offset))] as const;
  });
  return { expected: recompute(system.name, system.topic, new Map(read)), records };
}

/** The first problems of each place, and how many more there are. */
function briefly(problems: readonly string[]): string[] {
  const byPlace = new Map<string, string[]>();
  for (const problem of problems) {
    const place = problem.split(':')[0]!;
    byPlace.set(place, [...(byPlace.get(place) ?? []), problem]);
  }
  return [...byPlace].flatMap(([place, all]) =>
    all.length > problemsMax ? [...all.slice(0, problemsMax), `${place}: and ${all.length - problemsMax} more`] : all,
  );
}

function named(where: string, problems: readonly string[]): string[] {
  return problems.map((problem) => `${where}: ${problem}`);
}

/** One review for each decision that says so. A review may be kept a moment after its decision is shown. */
async function reviewProblems(system: FaultSystem, dashboard: readonly Found[]): Promise<string[]> {
  const wanted = new Map(dashboard.filter(({ outcome }) => outcome === 'review').map((row) => [row.eventKey, row]));
  const found = await until(
    'the reviews',
    async () => {
      const all = await reviews(system);
      return all.length >= wanted.size && all;
    },
    { timeoutMs: 20_000 },
  ).catch(() => reviews(system));
  const seen = new Set(found.map(({ eventKey }) => eventKey));
  const said = ({ eventId, account, outcome }: Pick<Found, 'eventId' | 'account' | 'outcome'>) =>
    `${eventId} of ${account}, ${outcome}`;
  return [
    ...[...wanted.keys()].filter((key) => !seen.has(key)).map((key) => `${key}: lost`),
    ...found.filter(({ eventKey }) => !wanted.has(eventKey)).map(({ eventKey }) => `${eventKey}: not expected`),
    ...found
      .filter((each) => wanted.has(each.eventKey) && said(each) !== said(wanted.get(each.eventKey)!))
      .map(
        (each) =>
          `${each.eventKey}: is about ${said(each)}, and the decision about ${said(wanted.get(each.eventKey)!)}`,
      ),
    // The table has one row a key.
    ...(seen.size === found.length ? [] : [`${found.length - seen.size} keys: twice`]),
  ];
}

/** The dashboard's minutes count what its decisions say, however often these were delivered. */
async function minuteProblems(system: FaultSystem): Promise<string[]> {
  const { rows } = await system.pool.query<{ minute: Date; counted: string | null; there: string | null }>(
    `with there as (select date_trunc('minute', event_time, 'UTC') as minute, outcome, model_version, count(*) as decisions from decisions group by 1, 2, 3)
     select minute, minutes.decisions as counted, there.decisions as there from decision_minutes as minutes full join there using (minute, outcome, model_version)
     where minutes.decisions is distinct from there.decisions order by minute limit 10`,
  );
  return rows.map(
    ({ minute, counted, there }) => `${minute.toISOString()}: counts ${counted}, and there are ${there} decisions`,
  );
}

/** All sinks hold the same prediction, version and outcome of an event. */
function agreement(dashboard: readonly Found[], others: Record<string, readonly Found[]>): string[] {
  const said = ({ y, version, outcome }: Found) => `${Math.fround(y)} ${version} ${outcome}`;
  const shown = new Map(dashboard.map((row) => [row.eventKey, said(row)]));
  return Object.entries(others).flatMap(([name, rows]) =>
    rows
      .filter((row) => shown.has(row.eventKey) && shown.get(row.eventKey) !== said(row))
      .map((row) => `${row.eventKey}: ${name} says ${said(row)}, the dashboard ${shown.get(row.eventKey)}`),
  );
}

/** I3 and I4: no hole, no overlap, up to the last event, and no commit that was ahead of the last start. */
async function rangeProblems(
  system: FaultSystem,
  expected: ReadonlyMap<string, Expected>,
  commits: readonly SeenCommit[],
): Promise<string[]> {
  const problems: string[] = [];
  const lastOffsets = new Map<number, number>();
  for (const key of expected.keys()) {
    const [partition, offset] = key.split(':').slice(-2).map(Number);
    lastOffsets.set(partition!, Math.max(lastOffsets.get(partition!) ?? -1, offset!));
  }
  const ranges = await batchRanges(system);
  for (const [partition, list] of ranges) {
    problems.push(...chainProblems(list).map((problem) => `partition ${partition}: ${problem}`));
    const first = Math.min(...list.map(({ position }) => position));
    if (first !== 0) problems.push(`partition ${partition}: begins at ${first}, not at 0`);
    const end = Math.max(...list.map((range) => range.end));
    if (end <= (lastOffsets.get(partition) ?? -1))
      problems.push(`partition ${partition}: ends at ${end}, and offset ${lastOffsets.get(partition)} holds an event`);
  }
  for (const partition of lastOffsets.keys())
    if (!ranges.has(partition)) problems.push(`partition ${partition}: no batch`);
  problems.push(...(await earlyCommits(system, commits)));
  return problems;
}

/** I4: whatever was seen committed is where a batch ended that had been started by then, or the chain's first position. */
async function earlyCommits(system: FaultSystem, commits: readonly SeenCommit[]): Promise<string[]> {
  const startedMs = new Map<string, number>();
  for await (const run of system.temporal.workflow.list({ query: "WorkflowType = 'processBatch'" })) {
    for (const { partition, end } of (run.memo as unknown as BatchMemo).ranges) {
      const key = `${partition} ${end}`;
      startedMs.set(key, Math.min(startedMs.get(key) ?? Infinity, run.startTime.getTime()));
    }
  }
  return commits.flatMap(({ partition, offset, atMs }) => {
    if (offset === 0) return [];
    const started = startedMs.get(`${partition} ${offset}`);
    if (started === undefined) return [`partition ${partition}: ${offset} was committed, where no batch ends`];
    return started <= atMs
      ? []
      : [`partition ${partition}: ${offset} was committed ${started - atMs} ms before the batch was started`];
  });
}

function idOf(value: Uint8Array | null): string | undefined {
  if (!value) return undefined;
  try {
    const { id } = JSON.parse(Buffer.from(value).toString('utf8')) as { id?: unknown };
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}
