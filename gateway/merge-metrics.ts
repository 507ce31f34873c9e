import { AggregatorRegistry, type Registry } from 'prom-client';

type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

const fetchTimeoutMs = 1_500;
const answerBytesMax = 8 * 1024 * 1024;

/**
 * Our metrics and those of the other processes as one page. Equal series are added up (a gauge that must not be says so itself);
 * a process that does not answer in time is left out and counted by `onMissing`.
 */
export async function mergeMetrics(
  own: Registry,
  targets: readonly string[],
  onMissing: (target: string) => void,
): Promise<Registry> {
  const fetched = targets.map(async (target) => {
    try {
      return await fetchMetrics(target);
    } catch {
      onMissing(target);
      return undefined;
    }
  });
  const others = await Promise.all(fetched);
  const all = [await own.getMetricsAsJSON(), ...others.filter((metrics) => metrics !== undefined)];
  return AggregatorRegistry.aggregate(all);
}

async function fetchMetrics(target: string): Promise<MetricsJson> {
  const response = await fetch(`http://${target}/metrics.json`, { signal: AbortSignal.timeout(fetchTimeoutMs) });
  if (!response.ok || Number(response.headers.get('content-length') ?? 0) > answerBytesMax)
    throw new Error(`${target} answers ${response.status}`);
  const metrics = (await response.json()) as Partial<MetricsJson[number]>[];
  if (
    !Array.isArray(metrics) ||
    !metrics.every(({ name, aggregator, values }) => name && aggregator && Array.isArray(values))
  ) {
    throw new Error(`${target} answers no metrics`);
  }
  return metrics as MetricsJson;
}
