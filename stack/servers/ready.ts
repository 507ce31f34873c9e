import { readFrom } from './log-file.ts';
import { describeExit } from './process.ts';
import type { ManagedProcess } from './process.ts';
import { sleep } from '../../lib/sleep.ts';

/** Thrown when a server dies or stays silent before it is ready. The message ends with its last log lines. */
export class NotReadyError extends Error {
  override name = 'NotReadyError';
}

export interface WaitOptions<T> {
  process: ManagedProcess;
  timeoutMs: number;
  /** Asks the server once, with a deadline of its own. A rejection or undefined means "not yet". */
  probe: () => Promise<T | undefined>;
}

const pollIntervalMs = 50;

function notReady(process: ManagedProcess, what: string, lastError: unknown): NotReadyError {
  const tail = process.logTail(15);
  const reason = lastError instanceof Error ? ` Last answer: ${lastError.message}.` : '';
  const log = tail.length === 0 ? ' It logged nothing.' : ` Last lines of ${process.logFile}:\n  ${tail.join('\n  ')}`;
  return new NotReadyError(`${process.name} ${what}.${reason}${log}`, { cause: lastError });
}

/** Probes until the server answers. Rejects with {@link NotReadyError} as soon as it exits, or at the deadline. */
export async function waitUntilReady<T>({ process, timeoutMs, probe }: WaitOptions<T>): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let lastError: unknown;
  while (Date.now() < deadline) {
    if (process.hasExited())
      throw notReady(process, `${describeExit(await process.exited)} before it was ready`, undefined);
    try {
      const answer = await probe();
      if (answer !== undefined) return answer;
    } catch (error) {
      lastError = error;
    }
    await Promise.race([sleep(pollIntervalMs), process.exited]);
  }
  throw notReady(process, `was not ready within ${Math.round(timeoutMs / 1_000)} s`, lastError);
}

/** How much of a child's output is searched for its ready line. */
const outputBytesMax = 1024 * 1024;

/** The first line of this run's output that is a JSON object which `matches`; undefined when there is none yet. */
export function findJsonLine<T>(
  process: ManagedProcess,
  matches: (line: Record<string, unknown>) => T | undefined,
): T | undefined {
  for (const line of readFrom(process.logFile, process.logOffset, outputBytesMax).split('\n')) {
    if (!line.startsWith('{')) continue;
    try {
      const found = matches(JSON.parse(line) as Record<string, unknown>);
      if (found !== undefined) return found;
    } catch (error) {
      // A line that is still being written does not parse; the next poll sees it whole.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}
