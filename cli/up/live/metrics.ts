/** One number of one process, with its labels. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

interface JsonMetric {
  name: string;
  values: { value: number; metricName?: string; labels: Record<string, string | number> }[];
}

/** Flattens what `/metrics.json` answers (prom-client's form) into samples. */
export function parseMetrics(json: unknown): Sample[] {
  return (json as JsonMetric[]).flatMap((metric) =>
    metric.values.map(({ value, metricName, labels }) => ({
      name: metricName ?? metric.name,
      value,
      labels: Object.fromEntries(Object.entries(labels).map(([key, label]) => [key, String(label)])),
    })),
  );
}

const scrapeTimeoutMs = 800;

/**
 * Asks each process for its metrics. One that does not answer in time is left out of this snapshot: it is starting,
 * restarting or busy, and the supervisor says which.
 */
export async function scrape(targets: Record<string, string>): Promise<Map<string, Sample[]>> {
  const answers = await Promise.allSettled(
    Object.entries(targets).map(async ([name, url]) => {
      const response = await fetch(`${url}/metrics.json`, { signal: AbortSignal.timeout(scrapeTimeoutMs) });
      if (!response.ok) throw new Error(`${url} answered ${response.status}`);
      return [name, parseMetrics(await response.json())] as const;
    }),
  );
  return new Map(answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])));
}
