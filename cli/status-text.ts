import type { PipelineCounts, StatusReport } from './status-report.ts';

/** The report for people: addresses, then processes, then the numbers of each pipeline. No passwords. */
export function statusText(report: StatusReport): string {
  const { temporal, kafka, database, triton, gateway, lake, features, metrics, services, checks, unknown, dataDir, supervisorPid, startedAt } = report;
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
    ...table(addresses),
    '',
    ...table(services.map(({ name, state, pid, logFile }) => [name, [state, pid === undefined ? undefined : `process ${pid}`, logFile].filter(Boolean).join('  ')])),
    '',
    ...table(checks.map(({ name, ready, latencyMs, reason }) => [name, ready ? `answers in ${latencyMs} ms` : `does not answer: ${reason ?? 'no reason'}`])),
    ...report.counts.flatMap((counts) => ['', `pipeline ${counts.name}`, ...table(countRows(counts))]),
    ...(Object.keys(unknown).length > 0 ? ['', ...table(Object.entries(unknown).map(([name, why]) => [`${name}?`, why]))] : []),
    '',
  ].join('\n');
}

function countRows({ decisions, openReviews, waitingReviews, deadLetters, lag }: PipelineCounts): [string, string][] {
  const byOutcome = Object.entries(decisions ?? {}).map(([outcome, count]) => `${outcome} ${count}`).join(', ');
  const byPartition = lag?.map(({ topic, partition, records }) => `${topic}-${partition}: ${records}`).join(', ');
  return [
    ['decisions', decisions ? byOutcome || 'none yet' : 'unknown'],
    ['open reviews', String(openReviews ?? 'unknown')],
    ['reviews that wait to be opened', String(waitingReviews ?? 'unknown')],
    ['dead letters', String(deadLetters ?? 'unknown')],
    ['lag', byPartition ?? 'unknown'],
  ];
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
