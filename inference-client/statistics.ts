/** What a client did since it was created. Counters only ever grow. */
import type { InferenceErrorCode } from './errors.ts';

export interface MethodStatistics {
  readonly calls: number;
  readonly failures: number;
  /** Sum over all calls, successful or not, that were sent. */
  readonly latencyMsSum: number;
}

export interface ClientStatistics {
  /** Calls by remote procedure, such as `ModelInfer`; only those used so far. Refusals by the breaker are not calls. */
  readonly methods: Readonly<Record<string, MethodStatistics>>;
  readonly failuresByCode: Readonly<Partial<Record<InferenceErrorCode, number>>>;
  /** Rows in successful answers: the sum of the first dimension of the first input. */
  readonly rowsScored: number;
  /** Times the channel was replaced because calls kept running into their deadline. */
  readonly channelRebuilds: number;
}

export interface StatisticsRecorder {
  called(method: string, latencyMs: number, failure?: InferenceErrorCode): void;
  refused(code: InferenceErrorCode): void;
  scored(rows: number): void;
  rebuilt(): void;
  /** A copy that does not change any more. */
  snapshot(): ClientStatistics;
}

/** Creates a recorder with all counters at 0. Memory is bounded by the number of remote procedures and codes. */
export function createStatistics(): StatisticsRecorder {
  const methods = new Map<string, { calls: number; failures: number; latencyMsSum: number }>();
  const failuresByCode: Partial<Record<InferenceErrorCode, number>> = {};
  let rowsScored = 0;
  let channelRebuilds = 0;

  function fail(code: InferenceErrorCode): void {
    failuresByCode[code] = (failuresByCode[code] ?? 0) + 1;
  }

  return {
    called(method, latencyMs, failure) {
      const entry = methods.get(method) ?? { calls: 0, failures: 0, latencyMsSum: 0 };
      methods.set(method, entry);
      entry.calls++;
      entry.latencyMsSum += latencyMs;
      if (failure === undefined) return;
      entry.failures++;
      fail(failure);
    },
    refused: fail,
    scored: (rows) => {
      rowsScored += rows;
    },
    rebuilt: () => {
      channelRebuilds++;
    },
    snapshot: () => ({
      methods: Object.fromEntries([...methods].map(([method, entry]) => [method, { ...entry }])),
      failuresByCode: { ...failuresByCode },
      rowsScored,
      channelRebuilds,
    }),
  };
}
