import { waitText, type Waiting } from '../contracts/partition-state.ts';
import { lagText } from '../status/problems.ts';
import type { PipelineCounts, StatusReport } from './status-report.ts';

/** The report for people: addresses, then processes, then the numbers of each pipeline. No passwords. */
export function statusText(report: StatusReport): string {
  const {
    temporal,
    kafka,
    database,
    triton,
    gateway,
    lake,
    features,
    metrics,
    services,
    checks,
    unknown,
    dataDir,
    supervisorPid,
    startedAt,
  } = report;
  const addresses: [string, string][] = [
    ['gateway', `${gateway.url}  (documentation: ${gateway.docsUrl})`],
    ['temporal', `${temporal.address}, namespace ${temporal.namespace}  (Web UI: ${temporal.uiUrl})`],
    ['kafka', `${kafka.brokers.join(',')}  (topics: ${report.pipelines.map(({ topic }) => topic).join(', ')})`],
    ['postgres', database.url.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:***@')],
    ['triton', triton.url],
    ['lake', lake.dir],
    ['features', features.dir],
    ...Object.entries(metrics).map(([name, url]): [string, string] => [`${name} metrics`, `${url}/metrics`]),
  ];
  return [
    `Headrace runs on ${dataDir} since ${startedAt} (process ${supervisorPid}).`,
    '',
    ...standing(report),
    '',
    ...table(addresses),
    '',
    ...table(
      services.map(({ name, state, pid, logFile }) => [
        name,
        [state, pid === undefined ? undefined : `process ${pid}`, logFile].filter(Boolean).join('  '),
      ]),
    ),
    '',
    ...table(
      checks.map(({ name, ready, latencyMs, reason }) => [
        name,
        ready ? `answers in ${latencyMs} ms` : `does not answer: ${reason ?? 'no reason'}`,
      ]),
    ),
    ...report.counts.flatMap((counts) => ['', `pipeline ${counts.name}`, ...table(countRows(counts))]),
    ...(Object.keys(unknown).length > 0
      ? ['', ...table(Object.entries(unknown).map(([name, why]) => [`${name}?`, why]))]
      : []),
    '',
  ].join('\n');
}

/** What stands comes first: nobody should have to look for it. */
function standing({ problems, unknown }: StatusReport): string[] {
  if (problems.length > 0)
    return [
      'What stands, or does not do its work:',
      ...problems.map(({ text, log }) => `  ${text}${log === undefined ? '' : `\n      log: ${log}`}`),
    ];
  return Object.keys(unknown).length > 0
    ? ['Nothing is known to stand, but not everything could be looked at: see the end.']
    : ['Nothing stands.'];
}

function countRows({
  decisions,
  openReviews,
  waitingReviews,
  deadLetters,
  partitions,
}: PipelineCounts): [string, string][] {
  const byOutcome = Object.entries(decisions ?? {})
    .map(([outcome, count]) => `${outcome} ${count}`)
    .join(', ');
  return [
    ['decisions', decisions ? byOutcome || 'none yet' : 'unknown'],
    ['open reviews', String(openReviews ?? 'unknown')],
    ['reviews that wait to be opened', String(waitingReviews ?? 'unknown')],
    ['dead letters', String(deadLetters ?? 'unknown')],
    ...(partitions.length === 0 ? [['lag', 'unknown'] as [string, string]] : []),
    ...partitions.map((state): [string, string] => [
      `${state.topic}-${state.partition}`,
      `${lagText(state)}${waits(state.waiting)}`,
    ]),
  ];
}

function waits(waiting: Waiting): string {
  return waiting.kind === 'records' || waiting.kind === 'scoring' ? '' : `; waits: ${waitText(waiting)}`;
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
