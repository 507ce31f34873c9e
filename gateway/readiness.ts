import { messageOf } from '../contracts/failures.ts';
import { withTimeout } from '../lib/with-timeout.ts';

/** Asks one server whether it works; throws when not. */
export type Check = () => Promise<unknown>;

export interface CheckResult {
  name: string;
  ready: boolean;
  latencyMs: number;
  /** Why it is not ready. */
  reason?: string;
}

/** How long an answer is used again, so that eager probes do not become load. */
const cacheMs = 500;

/** Runs all checks side by side, each with its deadline. Calls that come close together share one answer. */
export function createReadiness(
  checks: Record<string, Check>,
  { timeoutMs = 2_000, nowMs = () => performance.now() }: { timeoutMs?: number; nowMs?: () => number } = {},
): () => Promise<CheckResult[]> {
  let last: { atMs: number; results: Promise<CheckResult[]> } | undefined;
  return () => {
    if (!last || nowMs() - last.atMs > cacheMs) {
      last = {
        atMs: nowMs(),
        results: Promise.all(Object.entries(checks).map(([name, check]) => run(name, check, timeoutMs))),
      };
    }
    return last.results;
  };
}

async function run(name: string, check: Check, timeoutMs: number): Promise<CheckResult> {
  const startedMs = performance.now();
  const latencyMs = () => Math.round((performance.now() - startedMs) * 10) / 10;
  try {
    await withTimeout(timeoutMs, Promise.resolve(check()));
    return { name, ready: true, latencyMs: latencyMs() };
  } catch (error) {
    return { name, ready: false, latencyMs: latencyMs(), reason: messageOf(error) || 'it cannot be reached' };
  }
}
