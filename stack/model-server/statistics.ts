/** What one model version did since it was loaded, as ModelStatistics shows it. */
import type { InferStatistics, ModelStatistics, StatisticDuration } from '@headrace/inference-client/generated';

/** How long the parts of one request took, in nanoseconds. */
interface RequestTimes {
  readonly queueNs: bigint;
  readonly inputNs: bigint;
  readonly inferNs: bigint;
  readonly outputNs: bigint;
}

export interface StatisticsCounter {
  succeeded(rows: number, times: RequestTimes): void;
  failed(totalNs: bigint): void;
  snapshot(name: string, version: string): ModelStatistics;
}

interface Duration extends StatisticDuration {
  count: bigint;
  ns: bigint;
}

const zero = (): Duration => ({ count: 0n, ns: 0n });
const parts = () => ({ computeInput: zero(), computeInfer: zero(), computeOutput: zero() });

function add(duration: Duration, ns: bigint): void {
  duration.count += 1n;
  duration.ns += ns;
}

/** Creates a counter at 0. Memory is bounded by the model's max_batch_size: one entry for each number of rows that occurred. */
export function createStatistics(): StatisticsCounter {
  const total = { success: zero(), fail: zero(), queue: zero(), ...parts() };
  const byRows = new Map<number, ReturnType<typeof parts>>();
  let lastInference = 0n;
  let rowsSum = 0n;

  return {
    succeeded(rows, { queueNs, inputNs, inferNs, outputNs }) {
      lastInference = BigInt(Date.now());
      rowsSum += BigInt(rows);
      add(total.success, queueNs + inputNs + inferNs + outputNs);
      add(total.queue, queueNs);
      const ofRows = byRows.get(rows) ?? parts();
      byRows.set(rows, ofRows);
      for (const sums of [total, ofRows]) {
        add(sums.computeInput, inputNs);
        add(sums.computeInfer, inferNs);
        add(sums.computeOutput, outputNs);
      }
    },
    failed: (totalNs) => add(total.fail, totalNs),
    snapshot(name, version) {
      const inferenceStats: InferStatistics = structuredClone({ ...total, cacheHit: zero(), cacheMiss: zero() });
      const batchStats = [...byRows]
        .sort(([one], [two]) => one - two)
        .map(([rows, sums]) => ({ batchSize: BigInt(rows), ...structuredClone(sums) }));
      return {
        name,
        version,
        lastInference,
        inferenceCount: rowsSum,
        executionCount: total.success.count,
        inferenceStats,
        batchStats,
      };
    },
  };
}
