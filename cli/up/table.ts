import type { Endpoints } from '@headrace/stack/supervisor';

export interface TableFacts {
  /** How long the embedded namespace keeps closed runs; absent for a Temporal of the user's own. */
  retentionHours?: number;
  /** How long lake and dashboard keep decisions; absent = for ever. */
  decisionsHours?: number;
  logsDir: string;
}

/** An address without its password. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, '$1:***@');
}

/** Where everything is, once it is up. */
export function addressTable(endpoints: Endpoints, { retentionHours, decisionsHours, logsDir }: TableFacts): string[] {
  const { temporal, kafka, database, triton, gateway, lake } = endpoints;
  const external = (embedded: boolean): string => (embedded ? '' : '  (yours)');
  const kept = retentionHours === undefined ? '' : `  (closed runs are kept ${retentionHours} h)`;
  const rows: [string, string][] = [
    ['Gateway', `${gateway.url}/v1/decisions/{eventId}`],
    ...endpoints.pipelines.map(({ name }): [string, string] => ['', `${gateway.url}/v1/pipelines/${name}/events`]),
    ['API docs', gateway.docsUrl],
    ['Temporal Web UI', `${temporal.uiUrl}/namespaces/${temporal.namespace}/workflows${kept}`],
    ['Temporal', `${temporal.address}${external(temporal.embedded)}`],
    [
      'Kafka',
      `${kafka.brokers.join(',')}  topics ${endpoints.pipelines.map(({ topic }) => topic).join(', ')}${external(kafka.embedded)}`,
    ],
    [
      'PostgreSQL',
      `${withoutPassword(database.url)}${database.embedded ? '  (password: headrace status --output json)' : external(false)}`,
    ],
    ['Model server', `${triton.url}${external(triton.embedded)}`],
    ['Lake', `${lake.dir}${decisionsHours === undefined ? '' : `  (decisions are kept ${decisionsHours} h)`}`],
    ['Metrics', `${gateway.url}/metrics  (of all processes)`],
    ['Logs', logsDir],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`);
}
